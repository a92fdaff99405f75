//! Volumes: a named place of the service's own, and where its tasks find it.

use std::str::FromStr;

use crate::Violation;

const MAX_SOURCE: usize = 63;

/// A volume as `source:target` has it, with `:ro` or `:rw` behind it where it says so. The source names a volume of the
/// service, never a path of the host, although the older form with a leading slash is read, too.
///
/// ```
/// use nomad_services_domain::service_config::VolumeMount;
///
/// let mount: VolumeMount = "/data:/var/lib/postgresql/data:ro".parse()?;
/// assert_eq!((mount.source.as_str(), mount.target.as_str()), ("data", "/var/lib/postgresql/data"));
/// assert!(mount.read_only);
/// # Ok::<(), nomad_services_domain::Violation>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VolumeMount {
    /// The volume's name.
    pub source: String,
    /// An absolute path in the container.
    pub target: String,
    /// Whether the task may only read it.
    pub read_only: bool,
}

impl VolumeMount {
    /// The form of a volume as a regular expression. It does not bound the target's length.
    pub const PATTERN: &str = r"^/?[A-Za-z0-9_-]{1,63}:(?:/(?:[A-Za-z0-9_.-]*[A-Za-z0-9_-][A-Za-z0-9_.-]*|\.{3,}))+(?::r[ow])?$";

    /// The longest path in the container, in characters.
    pub const MAX_TARGET: usize = 255;

    /// The longest volume, in characters.
    pub const MAX_TEXT: usize = 1 + MAX_SOURCE + 1 + Self::MAX_TARGET + 3;
}

impl FromStr for VolumeMount {
    type Err = Violation;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = |detail: &str| Violation::new("invalid_volume", detail);
        let parts: Vec<_> = text.split(':').collect();
        let (source, target, read_only) = match parts.as_slice() {
            [source, target] | [source, target, "rw"] => (*source, *target, false),
            [source, target, "ro"] => (*source, *target, true),
            _ => {
                return Err(refused(
                    "must have the form source:target, with :ro or :rw behind it or neither",
                ));
            }
        };
        let source = source.strip_prefix('/').unwrap_or(source);
        let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if !(1..=MAX_SOURCE).contains(&source.len()) || !source.chars().all(in_name) {
            return Err(refused(
                "the source must name a volume with 1 to 63 letters, digits, '_' and '-', not a path of the host",
            ));
        }
        let in_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
        let segments = || target.split('/').skip(1);
        let good = target.starts_with('/')
            && target.len() <= Self::MAX_TARGET
            && target.chars().all(in_path)
            && segments().all(|segment| !matches!(segment, "" | "." | ".."));
        if !good {
            return Err(refused(
                "the target must be an absolute path of at most 255 letters, digits, '_', '-', '.' and '/', without '..'",
            ));
        }
        Ok(Self {
            source: source.to_owned(),
            target: target.to_owned(),
            read_only,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn the_pattern_is_what_is_taken(text in r"/?[a_ /.]{0,3}:?(/?[a.é]{0,4}){0,3}(:r[owx])?") {
            let pattern = regex_lite::Regex::new(VolumeMount::PATTERN).unwrap();
            let taken = text.parse::<VolumeMount>().is_ok();
            proptest::prop_assert_eq!(pattern.is_match(&text), taken, "{:?}", text);
        }
    }

    #[test]
    fn paths_of_the_host_and_ways_out_of_the_volume_are_refused() {
        for text in [
            "",
            "data",
            "data:/x:ro:ro",
            "data:/x:rw:ro",
            "data:/x:z",
            "/etc/passwd:/x",
            "..:/x",
            "data:x",
            "data:/",
            "data:/a/../b",
            "data:/a//b",
            "data:/${x}",
            "data:/a b",
        ] {
            assert!(text.parse::<VolumeMount>().is_err(), "{text:?}");
        }
    }
}
