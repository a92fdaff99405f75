//! The one way to PostgreSQL, for the server, its command line and the migrations: what an address may say ([`Address`]), how
//! a connection is protected ([`SslMode`]), how one is opened ([`Connector`]), one that serves requests ([`Session`]), and SeaORM
//! on a single connection ([`connect`]). It knows nothing of tenants, roles or tables.

mod address;
mod connector;
mod proxy;
mod row;
mod session;
mod source;
mod tls;

pub use address::{Address, AddressParts};
pub use connector::{ConnectError, Connector};
pub use proxy::{Proxy, connect};
pub use row::{Values, parameters, row};
pub use session::{
    Answer, Column, ColumnError, Query, Refusal, Row, Session, SessionError, Standing,
};
pub use source::AddressError;
pub use tls::SslMode;
