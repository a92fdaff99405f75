//! haproxy before the replicas.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::sleep,
};

use crate::Result;

/// A running haproxy; it ends with this.
pub struct Balancer {
    pub address: SocketAddr,
    _process: Child,
}

impl Balancer {
    pub async fn before(replicas: &[SocketAddr], folder: &Path) -> Result<Self> {
        let free = std::net::TcpListener::bind("127.0.0.1:0")?;
        let address = free.local_addr()?;
        drop(free);
        let servers: String = (1..)
            .zip(replicas)
            .map(|(number, replica)| format!("    server replica-{number} {replica} check\n"))
            .collect();
        let settings = format!(
            "global\n    maxconn 1000\n\
             defaults\n    mode http\n    timeout connect 5s\n    timeout client 60s\n    timeout server 60s\n    \
             option redispatch\n    retries 3\n\
             frontend api\n    bind {address}\n    default_backend replicas\n\
             backend replicas\n    balance roundrobin\n    option httpchk GET /readyz\n    http-check expect status 200\n    \
             default-server inter 500ms fall 1 rise 1\n    http-response set-header x-served-by %s\n{servers}"
        );
        let file = folder.join("haproxy.cfg");
        fs::write(&file, settings)?;
        let process = Command::new("haproxy")
            .arg("-q")
            .arg("-f")
            .arg(&file)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                format!("haproxy can't be started (Debian: apt-get install haproxy): {error}")
            })?;
        for _ in 0..100 {
            if TcpStream::connect(address).await.is_ok() {
                return Ok(Self {
                    address,
                    _process: process,
                });
            }
            sleep(Duration::from_millis(50)).await;
        }
        Err("haproxy does not answer".into())
    }
}
