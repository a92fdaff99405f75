//! Enumerations of the domain in columns of text.

use std::{any::type_name, fmt::Display, str::FromStr};

use sea_orm::{
    ColIdx, DbErr, QueryResult, TryGetError, TryGetable,
    sea_query::{ArrayType, ColumnType, Nullable, StringLen, Value, ValueType, ValueTypeErr},
};

/// A value of one of the domain's enumerations, as its column holds it: its text, which is written in the domain alone.
/// A type of this crate, because neither SeaORM's traits nor the enumerations are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stored<T>(pub T);

impl<T: Display> From<Stored<T>> for Value {
    fn from(Stored(value): Stored<T>) -> Self {
        Self::from(value.to_string())
    }
}

impl<T: FromStr> TryGetable for Stored<T> {
    fn try_get_by<I: ColIdx>(row: &QueryResult, column: I) -> Result<Self, TryGetError> {
        let text = String::try_get_by(row, column)?;
        let value = text.parse().map(Self);
        value.map_err(|_| DbErr::Type(format!("{text:?} is no {}", type_name::<T>())).into())
    }
}

impl<T: FromStr> ValueType for Stored<T> {
    fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
        let text = <String as ValueType>::try_from(value)?;
        text.parse().map(Self).map_err(|_| ValueTypeErr)
    }

    fn type_name() -> String {
        type_name::<T>().to_owned()
    }

    fn array_type() -> ArrayType {
        ArrayType::String
    }

    fn column_type() -> ColumnType {
        ColumnType::String(StringLen::N(50))
    }
}

impl<T> Nullable for Stored<T> {
    fn null() -> Value {
        Value::String(None)
    }
}
