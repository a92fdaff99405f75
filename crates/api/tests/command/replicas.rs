//! Several servers on one database.

use std::thread;

use crate::{process::text, production::Surroundings};

#[actix_web::test]
async fn three_servers_that_start_at_once_on_an_empty_database_all_serve_a_migrated_one() {
    let surroundings = Surroundings::new().await;
    let servers = thread::scope(|scope| {
        let starting = [(); 3].map(|()| scope.spawn(|| surroundings.start(&[])));
        starting.map(|server| server.join().expect("a server"))
    });
    for server in &servers {
        let ready = server.get("/readyz");
        assert!(ready.starts_with("HTTP/1.1 200 OK"), "{ready}");
    }
    let status = surroundings.run(&["migrate", "status", "--json"]);
    let status = text(&status.stdout);
    assert!(
        status.contains("applied") && !status.contains("pending"),
        "{status}"
    );
}
