//! The functions of Nomad's job files that shipped and everyday job files call; Nomad has no `tostring` and its kin. Those
//! that read files exist, and refuse.

use base64::{Engine, engine::general_purpose::STANDARD};
use hcl::{
    Map, Number, Value,
    eval::{Context, FuncArgs, FuncDef, ParamType},
};

const DISABLED: &str = "filesystem function disabled";

/// Makes the functions known.
pub(crate) fn declare(context: &mut Context<'_>) {
    let any = || ParamType::Any;
    let string = || ParamType::String;
    let map = || ParamType::object_of(ParamType::Any);
    let list = || ParamType::array_of(ParamType::Any);
    let all = |kind: ParamType| FuncDef::builder().variadic_param(kind);
    let one = |kind: ParamType| FuncDef::builder().param(kind);

    for name in [
        "file",
        "fileset",
        "fileexists",
        "filebase64",
        "abspath",
        "pathexpand",
    ] {
        context.declare_func(name, all(any()).build(|_| Err(DISABLED.into())));
    }
    context.declare_func(
        "upper",
        one(any()).build(|args| mapped(&args, |text| text.to_uppercase())),
    );
    context.declare_func(
        "lower",
        one(any()).build(|args| mapped(&args, |text| text.to_lowercase())),
    );
    context.declare_func(
        "trimspace",
        one(any()).build(|args| mapped(&args, |text| text.trim().to_owned())),
    );
    context.declare_func(
        "base64encode",
        one(any()).build(|args| mapped(&args, |text| STANDARD.encode(text))),
    );
    context.declare_func(
        "trimprefix",
        FuncDef::new(trim_prefix, [string(), string()]),
    );
    context.declare_func(
        "trimsuffix",
        FuncDef::new(trim_suffix, [string(), string()]),
    );
    context.declare_func(
        "replace",
        FuncDef::new(replace, [string(), string(), string()]),
    );
    context.declare_func("split", FuncDef::new(split, [string(), string()]));
    context.declare_func("join", one(string()).variadic_param(list()).build(join));
    context.declare_func(
        "format",
        one(string()).variadic_param(any()).build(format_values),
    );
    context.declare_func("jsonencode", one(any()).build(json_encode));
    context.declare_func("jsondecode", one(string()).build(json_decode));
    context.declare_func("length", one(any()).build(length));
    context.declare_func("keys", one(map()).build(keys));
    context.declare_func("values", one(map()).build(values));
    context.declare_func("merge", all(ParamType::nullable(map())).build(merge));
    context.declare_func("concat", all(list()).build(concat));
    context.declare_func("coalesce", all(any()).build(coalesce));
    context.declare_func("contains", FuncDef::new(contains, [list(), any()]));
    context.declare_func(
        "element",
        FuncDef::new(element, [list(), ParamType::Number]),
    );
    context.declare_func(
        "lookup",
        one(map())
            .param(string())
            .variadic_param(any())
            .build(lookup),
    );
    context.declare_func(
        "min",
        all(ParamType::Number).build(|args| extreme(&args, f64::min)),
    );
    context.declare_func(
        "max",
        all(ParamType::Number).build(|args| extreme(&args, f64::max)),
    );
    context.declare_func(
        "floor",
        one(ParamType::Number).build(|args| rounded(&args, f64::floor)),
    );
    context.declare_func(
        "ceil",
        one(ParamType::Number).build(|args| rounded(&args, f64::ceil)),
    );
}

/// A scalar as HCL writes it into a text.
pub(crate) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number_text(number)),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// A number without the `.0` of a whole one.
fn number_text(number: &Number) -> String {
    match whole(number) {
        Some(whole) => whole.to_string(),
        None => number.to_string(),
    }
}

/// A whole number, also where it was calculated as a fraction.
pub(crate) fn whole(number: &Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let value = number.as_f64()?;
        // Beyond 2^53 a fraction no longer names one whole number.
        (value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0).then_some(value as i64)
    })
}

fn argument(args: &FuncArgs, index: usize) -> &Value {
    args.get(index).unwrap_or(&Value::Null)
}

fn text(args: &FuncArgs, index: usize) -> &str {
    argument(args, index).as_str().unwrap_or_default()
}

fn mapped(args: &FuncArgs, change: fn(&str) -> String) -> Result<Value, String> {
    let text = scalar_text(argument(args, 0)).ok_or("string required")?;
    Ok(change(&text).into())
}

fn trim_prefix(args: FuncArgs) -> Result<Value, String> {
    let whole = text(&args, 0);
    Ok(whole.strip_prefix(text(&args, 1)).unwrap_or(whole).into())
}

fn trim_suffix(args: FuncArgs) -> Result<Value, String> {
    let whole = text(&args, 0);
    Ok(whole.strip_suffix(text(&args, 1)).unwrap_or(whole).into())
}

fn replace(args: FuncArgs) -> Result<Value, String> {
    Ok(text(&args, 0)
        .replace(text(&args, 1), text(&args, 2))
        .into())
}

fn split(args: FuncArgs) -> Result<Value, String> {
    let parts = text(&args, 1).split(text(&args, 0));
    Ok(parts.map(Value::from).collect::<Vec<_>>().into())
}

fn join(args: FuncArgs) -> Result<Value, String> {
    let lists = args.variadic_args().filter_map(Value::as_array).flatten();
    let texts = lists.map(|item| scalar_text(item).ok_or("string required"));
    Ok(texts
        .collect::<Result<Vec<_>, _>>()?
        .join(text(&args, 0))
        .into())
}

/// The verbs `%s`, `%d`, `%v`, `%q` and `%%`, and a width as in `%03d`.
fn format_values(args: FuncArgs) -> Result<Value, String> {
    let mut values = args.variadic_args();
    let mut result = String::new();
    let mut rest = text(&args, 0).chars();
    while let Some(character) = rest.next() {
        if character != '%' {
            result.push(character);
            continue;
        }
        let mut width = String::new();
        let verb = loop {
            match rest.next() {
                Some(digit) if digit.is_ascii_digit() => width.push(digit),
                Some(verb) => break verb,
                None => return Err("unterminated verb at end of string".into()),
            }
        };
        if verb == '%' {
            result.push('%');
            continue;
        }
        let value = values.next().ok_or("not enough arguments for the format")?;
        let written = match verb {
            's' | 'v' | 'd' => scalar_text(value).unwrap_or_else(|| json(value).to_string()),
            'q' => json(&Value::String(scalar_text(value).unwrap_or_default())).to_string(),
            other => return Err(format!("unsupported format verb '{other}'")),
        };
        let fill = if width.starts_with('0') { '0' } else { ' ' };
        let wanted = width.parse::<usize>().unwrap_or(0).min(1024);
        let missing = wanted.saturating_sub(written.chars().count());
        result.extend(std::iter::repeat_n(fill, missing));
        result.push_str(&written);
    }
    match values.next() {
        Some(_) => Err("too many arguments for the format".into()),
        None => Ok(result.into()),
    }
}

/// A number, or a text that is one.
pub(crate) fn number_of(value: &Value) -> Option<Value> {
    match value {
        Value::Number(_) => Some(value.clone()),
        Value::String(text) => match text.parse::<i64>() {
            Ok(number) => Some(number.into()),
            Err(_) => Number::from_f64(text.parse().ok()?).map(Value::Number),
        },
        _ => None,
    }
}

/// A truth value, or a text that is one.
pub(crate) fn bool_of(value: &Value) -> Option<Value> {
    match (value, value.as_str()) {
        (Value::Bool(_), _) => Some(value.clone()),
        (_, Some("true" | "1")) => Some(true.into()),
        (_, Some("false" | "0")) => Some(false.into()),
        _ => None,
    }
}

/// A value as JSON; whole numbers stay whole.
pub(crate) fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(truth) => (*truth).into(),
        Value::Number(number) => match whole(number) {
            Some(whole) => whole.into(),
            None => number.as_f64().into(),
        },
        Value::String(text) => text.clone().into(),
        Value::Array(items) => items.iter().map(json).collect(),
        Value::Object(object) => object
            .iter()
            .map(|(key, value)| (key.clone(), json(value)))
            .collect(),
    }
}

/// JSON as a value.
pub(crate) fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(truth) => (*truth).into(),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.into(),
            (None, Some(fraction)) => fraction.into(),
            (None, None) => Value::Null,
        },
        serde_json::Value::String(text) => text.as_str().into(),
        serde_json::Value::Array(items) => Value::Array(items.iter().map(value).collect()),
        serde_json::Value::Object(object) => Value::Object(
            object
                .iter()
                .map(|(key, json)| (key.clone(), value(json)))
                .collect(),
        ),
    }
}

fn json_encode(args: FuncArgs) -> Result<Value, String> {
    Ok(json(argument(&args, 0)).to_string().into())
}

fn json_decode(args: FuncArgs) -> Result<Value, String> {
    serde_json::from_str(text(&args, 0))
        .map(|json| value(&json))
        .map_err(|error| error.to_string())
}

fn length(args: FuncArgs) -> Result<Value, String> {
    match argument(&args, 0) {
        Value::Array(items) => Ok(items.len().into()),
        Value::Object(object) => Ok(object.len().into()),
        Value::String(text) => Ok(text.chars().count().into()),
        _ => Err("argument must be a string, a collection type, or a structural type".into()),
    }
}

fn sorted(args: &FuncArgs) -> Vec<(String, Value)> {
    let object = argument(args, 0).as_object();
    let mut entries: Vec<_> = object
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    entries.sort_by(|left, right| left.0.cmp(&right.0));
    entries
}

fn keys(args: FuncArgs) -> Result<Value, String> {
    let keys = sorted(&args).into_iter().map(|(key, _)| Value::String(key));
    Ok(keys.collect::<Vec<_>>().into())
}

fn values(args: FuncArgs) -> Result<Value, String> {
    let values = sorted(&args).into_iter().map(|(_, value)| value);
    Ok(values.collect::<Vec<_>>().into())
}

fn merge(args: FuncArgs) -> Result<Value, String> {
    let maps = args.iter().filter_map(Value::as_object);
    let merged: Map<String, Value> = maps
        .flatten()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    Ok(merged.into())
}

fn concat(args: FuncArgs) -> Result<Value, String> {
    let items = args.iter().filter_map(Value::as_array).flatten();
    Ok(items.cloned().collect::<Vec<_>>().into())
}

fn coalesce(args: FuncArgs) -> Result<Value, String> {
    let empty = |value: &&Value| !value.is_null() && value.as_str() != Some("");
    let found = args.iter().find(empty).cloned();
    found.ok_or_else(|| "no non-null, non-empty-string arguments".into())
}

fn contains(args: FuncArgs) -> Result<Value, String> {
    let items = argument(&args, 0).as_array();
    let wanted = argument(&args, 1);
    Ok(items.is_some_and(|items| items.contains(wanted)).into())
}

fn element(args: FuncArgs) -> Result<Value, String> {
    let items = argument(&args, 0).as_array().map(Vec::as_slice);
    let items = items.unwrap_or_default();
    let index = argument(&args, 1).as_number().and_then(whole);
    let index = index.and_then(|index| usize::try_from(index).ok());
    let index = index.ok_or("index must be a whole number and not negative")?;
    let length = items.len().max(1);
    let found = items.get(index % length).cloned();
    found.ok_or_else(|| "cannot use element function with an empty list".into())
}

fn lookup(args: FuncArgs) -> Result<Value, String> {
    let found = argument(&args, 0)
        .as_object()
        .and_then(|object| object.get(text(&args, 1)));
    let found = found.or_else(|| args.variadic_args().next()).cloned();
    found.ok_or_else(|| format!("lookup failed to find key {:?}", text(&args, 1)))
}

fn extreme(args: &FuncArgs, better: fn(f64, f64) -> f64) -> Result<Value, String> {
    let numbers = args
        .iter()
        .filter_map(Value::as_number)
        .filter_map(Number::as_f64);
    numbers
        .reduce(better)
        .map(Value::from)
        .ok_or_else(|| "must pass at least one number".into())
}

fn rounded(args: &FuncArgs, round: fn(f64) -> f64) -> Result<Value, String> {
    let number = argument(args, 0).as_number().and_then(Number::as_f64);
    Ok(number.map(round).map_or(Value::Null, Value::from))
}
