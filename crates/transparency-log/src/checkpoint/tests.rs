use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature as Ed25519, VerifyingKey};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::*;

/// The first key signs; both are believed.
pub fn keys(seeds: &[u8]) -> LogKeys {
    let lines: Vec<_> = seeds
        .iter()
        .map(|seed| STANDARD.encode([*seed; 32]))
        .collect();
    LogKeys::parse(&lines.join("\n").into()).unwrap()
}

fn checkpoint() -> Checkpoint {
    Checkpoint {
        origin: Origin::new("example.com", Some(TenantId(Uuid::from_u128(3)))),
        size: 12,
        root: crate::leaf::hash(b"anything"),
    }
}

fn verifiers(keys: &LogKeys, origin: &Origin) -> VerifierKeys {
    keys.verifiers(origin).join("\n").parse().unwrap()
}

/// Written from the text of c2sp.org/signed-note and c2sp.org/tlog-checkpoint, with nothing of this crate.
fn verified_by_the_book(note: &str, verifier_key: &str) -> (String, u64, Vec<u8>) {
    let mut parts = verifier_key.splitn(3, '+');
    let (name, id, key) = (
        parts.next().unwrap(),
        parts.next().unwrap(),
        parts.next().unwrap(),
    );
    let key = STANDARD.decode(key).unwrap();
    let digest = Sha256::digest([name.as_bytes(), b"\n", &key].concat());
    let key_id: String = digest[..4]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(key_id, id);
    assert_eq!((key[0], key.len()), (1, 33));

    let (text, signatures) = note.split_once("\n\n").unwrap();
    let text = format!("{text}\n");
    let line = signatures.strip_suffix('\n').unwrap();
    let (dash, rest) = line.split_once(' ').unwrap();
    let (signer, signature) = rest.split_once(' ').unwrap();
    assert_eq!((dash, signer), ("\u{2014}", name));
    let signature = STANDARD.decode(signature).unwrap();
    assert_eq!(signature[..4], digest[..4]);
    let key = VerifyingKey::from_bytes(key[1..].try_into().unwrap()).unwrap();
    let signature = Ed25519::from_slice(&signature[4..]).unwrap();
    key.verify_strict(text.as_bytes(), &signature).unwrap();

    let lines: Vec<_> = text.strip_suffix('\n').unwrap().split('\n').collect();
    let [origin, size, root] = lines[..] else {
        panic!("{text}")
    };
    (
        origin.to_owned(),
        size.parse().unwrap(),
        STANDARD.decode(root).unwrap(),
    )
}

#[test]
fn a_signed_checkpoint_is_what_the_specifications_say() {
    let (keys, checkpoint) = (keys(&[1]), checkpoint());
    let note = keys.sign(&checkpoint).unwrap();
    let [key] = &keys.verifiers(&checkpoint.origin)[..] else {
        panic!("one key")
    };
    let (origin, size, root) = verified_by_the_book(&note, key);
    assert_eq!(origin, "example.com/00000000-0000-0000-0000-000000000003");
    assert_eq!((size, root), (12, checkpoint.root.0.to_vec()));
}

#[test]
fn what_an_earlier_key_has_signed_is_still_believed() {
    let (before, after) = (keys(&[1]), keys(&[2, 1]));
    let checkpoint = checkpoint();
    let note = before.sign(&checkpoint).unwrap();
    let opened = verifiers(&after, &checkpoint.origin).open(&note).unwrap();
    assert_eq!(opened.checkpoint, checkpoint);
    assert_eq!(opened.key_id, before.id(&checkpoint.origin));
    assert_eq!(after.open(&note).unwrap(), checkpoint);
    let renewed = after.sign(&checkpoint).unwrap();
    assert!(
        verifiers(&before, &checkpoint.origin)
            .open(&renewed)
            .is_err()
    );
    assert_ne!(after.id(&checkpoint.origin), before.id(&checkpoint.origin));
}

#[test]
fn a_witness_may_sign_the_same_checkpoint() {
    let (keys, checkpoint) = (keys(&[1]), checkpoint());
    let mut note = Note::from_bytes(keys.sign(&checkpoint).unwrap().as_bytes()).unwrap();
    let (witness, witness_key) = (
        Origin("witness.example".to_owned()),
        SigningKey::from_bytes(&[9; 32]),
    );
    note.add_sigs(&[&Named(&witness, &witness_key)]).unwrap();
    let cosigned = String::from_utf8(note.to_bytes()).unwrap();
    assert_eq!(keys.open(&cosigned).unwrap(), checkpoint);

    let of_the_witness_alone =
        new_ed25519_verifier_key("witness.example", &witness_key.verifying_key());
    let refused = of_the_witness_alone
        .parse::<VerifierKeys>()
        .unwrap()
        .open(&cosigned);
    assert!(matches!(refused, Err(CheckpointError::ForeignKey(_))));
}

#[test]
fn a_changed_checkpoint_is_not_believed() {
    let (keys, checkpoint) = (keys(&[1]), checkpoint());
    let note = keys.sign(&checkpoint).unwrap();
    let verifiers = verifiers(&keys, &checkpoint.origin);
    assert!(verifiers.open(&note).is_ok());
    for changed in [
        note.replace("\n12\n", "\n13\n"),
        note.replace("example.com/", "example.org/"),
        note.replace("\n12\n", "\n12\nmore\n"),
        note.replacen("\n\n", "\n", 1),
        note.trim_end().to_owned(),
        String::new(),
    ] {
        assert!(verifiers.open(&changed).is_err(), "{changed}");
    }
}

#[test]
fn a_key_that_is_none_is_named_and_no_key_is_ever_printed() {
    for (text, refused) in [
        ("", "there is no key"),
        ("AAAA", "line 1 is not"),
        (
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nnonsense",
            "line 3 is not",
        ),
    ] {
        let error = LogKeys::parse(&text.into()).unwrap_err().to_string();
        assert!(
            error.starts_with(refused) && !error.contains("nonsense"),
            "{error}"
        );
    }
    assert_eq!(format!("{:?}", keys(&[1])), "LogKeys { .. }");
    for text in ["", "name", "example.com+00000000+AAAA"] {
        assert!(text.parse::<VerifierKeys>().is_err(), "{text}");
    }
}

#[test]
fn the_host_of_an_origin_is_checked() {
    for host in [
        "example.com",
        "nomad-services",
        "example.com/audit",
        "localhost:8080",
    ] {
        assert!(Origin::is_host(host), "{host}");
    }
    for host in ["", "a b", "a+b", "example.com/", "a\nb", "a\u{1}b"] {
        assert!(!Origin::is_host(host), "{host:?}");
    }
}
