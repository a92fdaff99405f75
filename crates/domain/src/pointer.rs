//! JSON pointers (RFC 6901): where in a document a value stands.

/// The pointer of the field `name` of what stands at `pointer`, which is empty for the whole document.
///
/// ```
/// use nomad_services_domain::pointer::child;
///
/// assert_eq!(child("/config/environment", "a/b~c"), "/config/environment/a~1b~0c");
/// ```
pub fn child(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}
