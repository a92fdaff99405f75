//! SeaORM on one connection: its transactions are the database's, and no failure is lost.

use embedded_postgres::test_database::TestDatabase;
use postgres_connection::{Address, connect};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement, TransactionTrait, Value};

struct Table {
    _database: TestDatabase,
    connection: DatabaseConnection,
}

impl Table {
    /// An empty table, and a reference that is checked when a transaction commits.
    async fn new() -> Self {
        let database = TestDatabase::empty().await;
        let address = Address::parse(&database.url()).unwrap();
        let connection = connect(&address).await.unwrap();
        let tables = "CREATE TABLE numbers (number BIGINT PRIMARY KEY);
             CREATE TABLE others (number BIGINT REFERENCES numbers DEFERRABLE INITIALLY DEFERRED)";
        connection.execute_unprepared(tables).await.unwrap();
        Self {
            _database: database,
            connection,
        }
    }

    async fn numbers(&self) -> Vec<i64> {
        let select =
            Statement::from_string(DbBackend::Postgres, "SELECT number FROM numbers ORDER BY 1");
        let rows = self.connection.query_all_raw(select).await.unwrap();
        rows.iter()
            .map(|row| row.try_get("", "number").unwrap())
            .collect()
    }
}

async fn insert(connection: &impl ConnectionTrait, number: i64) -> Result<u64, sea_orm::DbErr> {
    let insert = "INSERT INTO numbers VALUES ($1)";
    let insert = Statement::from_sql_and_values(DbBackend::Postgres, insert, [Value::from(number)]);
    Ok(connection.execute_raw(insert).await?.rows_affected())
}

#[tokio::test]
async fn a_transaction_holds_until_it_commits_and_one_within_it_can_be_taken_back() {
    let table = Table::new().await;
    let outer = table.connection.begin().await.unwrap();
    assert_eq!(insert(&outer, 1).await.unwrap(), 1);
    let inner = outer.begin().await.unwrap();
    insert(&inner, 2).await.unwrap();
    inner.rollback().await.unwrap();
    let inner = outer.begin().await.unwrap();
    insert(&inner, 3).await.unwrap();
    inner.commit().await.unwrap();
    outer.commit().await.unwrap();
    assert_eq!(table.numbers().await, [1, 3]);

    let outer = table.connection.begin().await.unwrap();
    insert(&outer, 4).await.unwrap();
    outer.rollback().await.unwrap();
    assert_eq!(table.numbers().await, [1, 3]);
}

#[tokio::test]
async fn a_transaction_that_is_dropped_is_rolled_back_before_anything_else_is_done() {
    let table = Table::new().await;
    let dropped = table.connection.begin().await.unwrap();
    insert(&dropped, 1).await.unwrap();
    assert!(insert(&dropped, 1).await.is_err(), "it is there already");
    drop(dropped);
    insert(&table.connection, 2).await.unwrap();
    assert_eq!(table.numbers().await, [2]);
}

#[tokio::test]
async fn several_statements_are_sent_as_one_text_and_take_effect_together_or_not() {
    let table = Table::new().await;
    let both = "INSERT INTO numbers VALUES (1), (2); INSERT INTO numbers VALUES (3)";
    let done = table.connection.execute_unprepared(both).await.unwrap();
    assert_eq!(done.rows_affected(), 3);
    let refused = "INSERT INTO numbers VALUES (4); INSERT INTO numbers VALUES (1)";
    let error = table
        .connection
        .execute_unprepared(refused)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("duplicate key value"), "{error}");
    assert_eq!(table.numbers().await, [1, 2, 3]);
}

#[tokio::test]
async fn a_commit_that_fails_is_told_and_nothing_follows_it() {
    let table = Table::new().await;
    table.connection.ping().await.unwrap();
    let transaction = table.connection.begin().await.unwrap();
    transaction
        .execute_unprepared("INSERT INTO others VALUES (7)")
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    let told = table.connection.ping().await.unwrap_err().to_string();
    assert!(
        told.contains("COMMIT: ") && told.contains("others_number_fkey"),
        "{told}"
    );
    assert!(
        insert(&table.connection, 1)
            .await
            .unwrap_err()
            .to_string()
            .contains("COMMIT: ")
    );
}
