//! JSON pointers (RFC 6901): where in a document a value stands.

/// The pointer of the field `name` of what stands at `pointer`, which is empty for the whole document.
///
/// ```
/// use nomad_services_domain::pointer::child;
///
/// assert_eq!(child("/config/environment", "a/b~c"), "/config/environment/a~1b~0c");
/// ```
pub fn child(pointer: &str, name: &str) -> String {
    let mut child = String::with_capacity(pointer.len() + 1 + name.len());
    child.push_str(pointer);
    push(&mut child, name);
    child
}

/// Makes `pointer` that of the field `name` of what stands there.
pub(crate) fn push(pointer: &mut String, name: &str) {
    pointer.push('/');
    for character in name.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            _ => pointer.push(character),
        }
    }
}
