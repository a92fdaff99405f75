use super::*;

fn key(byte: u8) -> KeyEncryptionKey {
    let text = ALPHABETS[0].encode([byte; KEY]);
    KeyEncryptionKey::parse(&text.into()).unwrap()
}

fn row(new: &NewKey) -> tenant_key::Model {
    tenant_key::Model {
        id: new.id.0,
        tenant_id: new.owner.map(|owner| owner.0),
        version: 1,
        wrapped: Some(new.wrapped.clone()),
        wrapped_by: new.wrapped_by.clone(),
        state: tenant_key::KeyState::Active,
        rotation_id: None,
        created_at: Default::default(),
        retired_at: None,
    }
}

#[test]
fn a_key_is_32_bytes_in_either_alphabet_with_or_without_padding() {
    let bytes = [0xfb; KEY];
    let standard = ALPHABETS[0].encode(bytes);
    let url = standard.replace('+', "-").replace('/', "_");
    let ids = [
        standard.clone(),
        url.trim_end_matches('=').to_owned(),
        format!(" {url}\n"),
    ]
    .map(|text| {
        KeyEncryptionKey::parse(&text.into())
            .unwrap()
            .id()
            .to_owned()
    });
    assert!(
        ids.iter().all(|id| *id == ids[0] && id.len() == 16),
        "{ids:?}"
    );
    for text in [
        "",
        "AAAA",
        "not base64 at all!",
        &ALPHABETS[0].encode([1; 31]),
    ] {
        assert!(KeyEncryptionKey::parse(&text.into()).is_err(), "{text}");
    }
}

#[test]
fn a_wrapped_key_opens_for_its_own_tenant_and_row_alone() {
    let ring = || Keyring::new(|| Ok(vec![key(1)]));
    let new = ring().generate(Some(TenantId(Uuid::from_u128(1)))).unwrap();
    let good = row(&new);
    assert!(ring().unwrap(&good).is_ok());
    let mut flipped = good.clone();
    flipped.wrapped.as_mut().unwrap()[30] ^= 1;
    let moved = tenant_key::Model {
        tenant_id: Some(Uuid::from_u128(2)),
        ..good.clone()
    };
    let renamed = tenant_key::Model {
        id: Uuid::from_u128(3),
        ..good.clone()
    };
    let short = tenant_key::Model {
        wrapped: Some(vec![1]),
        ..good
    };
    for bad in [flipped, moved, renamed, short] {
        let refused = ring().unwrap(&bad).unwrap_err();
        assert_eq!(refused.code(), "decryption_failed");
    }
}

#[test]
fn a_new_key_is_found_while_the_process_runs_and_wraps_from_then_on() {
    let keys = Arc::new(Mutex::new(vec![key(1)]));
    let source = keys.clone();
    let ring = Keyring::new(move || Ok(source.lock().unwrap().clone()));
    let other = Keyring::new(|| Ok(vec![key(2), key(1)]));
    let new = row(&other.generate(None).unwrap());
    assert_eq!(
        ring.unwrap(&new).unwrap_err().code(),
        "encryption_unavailable"
    );
    keys.lock().unwrap().insert(0, key(2));
    assert!(ring.unwrap(&new).is_ok());
    assert_eq!(ring.generate(None).unwrap().wrapped_by, key(2).id());
}

#[test]
fn without_a_key_nothing_is_made() {
    let refused = Keyring::default().generate(None).err().unwrap();
    assert_eq!(refused.code(), "encryption_unavailable");
}

#[test]
fn no_key_is_printed() {
    let ring = Keyring::new(|| Ok(vec![key(7)]));
    let printed = format!("{ring:?} {:?}", key(7));
    assert!(
        printed.contains(key(7).id()) && !printed.contains("7, 7"),
        "{printed}"
    );
}
