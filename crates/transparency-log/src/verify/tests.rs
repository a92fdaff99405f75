use domain::TenantId;

use super::*;
use crate::checkpoint::{Checkpoint, LogKeys, VerifierKeys, tests::keys};

fn origin() -> Origin {
    Origin::new("example.com", Some(TenantId(Uuid::from_u128(3))))
}

/// The log of these rows, as an export and with a head at each size.
fn sealed(rows: Vec<Row>) -> (Vec<Line>, Vec<Opened>) {
    let (mut tree, mut lines, mut heads) = (Tree::default(), Vec::new(), Vec::new());
    let keys: LogKeys = keys(&[1]);
    let verifiers: VerifierKeys = keys.verifiers(&origin()).join("\n").parse().unwrap();
    for row in rows {
        let leaf = leaf_of(row, tree.size(), tree.last());
        tree.push(leaf::hash(&leaf.to_bytes().unwrap())).unwrap();
        lines.push(Line::of(&leaf).unwrap());
        let (origin, size, root) = (origin(), tree.size(), tree.root().unwrap());
        let note = keys.sign(&Checkpoint { origin, size, root }).unwrap();
        heads.push(verifiers.open(&note).unwrap());
    }
    (lines, heads)
}

fn leaf_of(row: Row, index: u64, previous: Option<Hash>) -> Leaf {
    let mut leaf = Leaf {
        index,
        previous,
        row: crate::leaf::tests::row(&row.action),
    };
    leaf.row.id = row.id;
    leaf.row.tenant_id = row.tenant_id;
    leaf
}

fn rows(count: u128) -> Vec<Row> {
    let row = |number: u128| {
        let mut row = crate::leaf::tests::row(&format!("service.{number}"));
        row.id = Uuid::from_u128(100 + number);
        row.into()
    };
    (0..count).map(row).collect()
}

fn verify(lines: &[Line], heads: &[Opened]) -> Result<Verified, VerifyError> {
    let mut verification = Verification::new(heads.to_vec())?;
    for line in lines {
        verification.line(&serde_json::to_string(line).unwrap())?;
    }
    verification.finish()
}

fn finding(lines: &[Line], heads: &[Opened]) -> (Problem, u64, Option<u128>) {
    match verify(lines, heads) {
        Err(VerifyError::Found(finding)) => {
            let number = finding.id.map(|id| id.as_u128() - 100);
            assert!(
                finding
                    .detail
                    .starts_with(&format!("row {}", finding.index)),
                "{finding:?}"
            );
            (finding.problem, finding.index, number)
        }
        other => panic!("{other:?}"),
    }
}

/// Rewrites a row together with its leaf, as somebody would who knows the form.
fn rewrite(line: &mut Line) {
    let sealed = Leaf::from_bytes(&leaf::decode(&line.leaf).unwrap()).unwrap();
    let mut row = line.row.clone();
    row.action = "nothing.happened".to_owned();
    *line = Line::of(&leaf_of(row, line.index, sealed.previous)).unwrap();
}

#[test]
fn an_export_is_as_it_was_sealed_whichever_checkpoints_there_are() {
    let (lines, heads) = sealed(rows(9));
    for count in 1..=9 {
        let verified = verify(&lines, &heads[..count]).unwrap();
        let covered = count as u64;
        assert_eq!(
            verified,
            Verified {
                rows: covered,
                uncovered: 9 - covered
            }
        );
    }
    assert_eq!(verify(&lines, &heads[8..]).unwrap().rows, 9);
}

#[test]
fn an_edited_row_is_named_wherever_it_stands() {
    let (lines, heads) = sealed(rows(7));
    for place in 0..7_u8 {
        let mut edited = lines.clone();
        edited[usize::from(place)].row.details = None;
        let expected = (Problem::Edited, u64::from(place), Some(u128::from(place)));
        assert_eq!(finding(&edited, &heads[6..]), expected);
    }
}

#[test]
fn a_row_that_was_edited_together_with_its_leaf_is_named_wherever_it_stands() {
    for size in 1..=7_u8 {
        let (lines, heads) = sealed(rows(u128::from(size)));
        let head = &heads[usize::from(size) - 1..];
        for place in 0..size {
            let mut edited = lines.clone();
            rewrite(&mut edited[usize::from(place)]);
            let expected = (Problem::Edited, u64::from(place), Some(u128::from(place)));
            assert_eq!(finding(&edited, head), expected, "{place} of {size}");
        }
    }
}

#[test]
fn the_first_of_several_edited_rows_is_named() {
    let (lines, heads) = sealed(rows(9));
    let mut edited = lines;
    for place in [3, 6] {
        rewrite(&mut edited[place]);
    }
    assert_eq!(finding(&edited, &heads[8..]), (Problem::Edited, 3, Some(3)));
}

#[test]
fn a_removed_row_is_named_wherever_it_stood() {
    let (lines, heads) = sealed(rows(7));
    for place in 0..7_u8 {
        let mut fewer = lines.clone();
        fewer.remove(usize::from(place));
        assert_eq!(
            finding(&fewer, &heads[6..]),
            (Problem::Removed, u64::from(place), None)
        );
    }
    assert_eq!(finding(&[], &heads[6..]), (Problem::Removed, 0, None));
}

#[test]
fn a_removed_row_is_noticed_where_those_after_it_took_its_place() {
    let (lines, heads) = sealed(rows(7));
    let mut renumbered = lines.clone();
    renumbered.remove(2);
    for (index, line) in renumbered.iter_mut().enumerate() {
        line.index = index as u64;
    }
    assert_eq!(
        finding(&renumbered, &heads[6..]),
        (Problem::Reordered, 2, Some(3))
    );

    for line in &mut renumbered[2..] {
        let sealed = Leaf::from_bytes(&leaf::decode(&line.leaf).unwrap()).unwrap();
        *line = Line::of(&leaf_of(line.row.clone(), line.index, sealed.previous)).unwrap();
    }
    assert_eq!(
        finding(&renumbered, &heads[6..]),
        (Problem::Edited, 2, Some(3))
    );
}

#[test]
fn a_log_that_was_made_anew_from_some_row_on_leads_to_another_head() {
    let (_, heads) = sealed(rows(7));
    let mut other = rows(7);
    other[4].action = "nothing.happened".to_owned();
    let (forged, _) = sealed(other);
    let (problem, index, _) = finding(&forged, &heads[6..]);
    assert_eq!((problem, index), (Problem::Edited, 6));
    // Checkpoints that were kept on the way narrow it down.
    assert_eq!(finding(&forged, &heads[3..]), (Problem::Edited, 4, Some(4)));
}

#[test]
fn rows_that_changed_places_are_named() {
    let (lines, heads) = sealed(rows(7));
    let mut swapped = lines.clone();
    swapped.swap(2, 5);
    assert_eq!(
        finding(&swapped, &heads[6..]),
        (Problem::Reordered, 2, Some(2))
    );
    for index in [2, 5] {
        swapped[index].index = index as u64;
    }
    assert_eq!(
        finding(&swapped, &heads[6..]),
        (Problem::Reordered, 2, Some(5))
    );

    let mut repeated = lines;
    repeated.insert(4, repeated[1].clone());
    assert_eq!(
        finding(&repeated, &heads[6..]),
        (Problem::Reordered, 1, Some(1))
    );
}

#[test]
fn a_row_of_another_log_and_a_line_that_is_none_are_named() {
    let (lines, heads) = sealed(rows(3));
    let mut foreign = rows(3);
    foreign[1].tenant_id = None;
    assert_eq!(
        finding(&sealed(foreign).0, &heads[2..]),
        (Problem::Foreign, 1, Some(1))
    );

    let text = serde_json::to_string(&lines[0]).unwrap();
    for malformed in [
        "",
        "{}",
        &text.replace("\"index\":0", "\"index\":0,\"more\":1"),
        &text.replace("\"index\":0", "\"index\":0,\"index\":0"),
    ] {
        let refused = Verification::new(heads.clone()).unwrap().line(malformed);
        let Err(VerifyError::Found(finding)) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(finding.problem, Problem::Malformed);
    }
}

#[test]
fn checkpoints_of_several_logs_and_none_at_all_are_refused() {
    let (_, heads) = sealed(rows(1));
    let mut other = heads[0].clone();
    other.checkpoint.origin = Origin::new("example.com", None);
    assert!(matches!(
        Verification::new(vec![heads[0].clone(), other]),
        Err(VerifyError::SeveralLogs(_, _))
    ));
    assert!(matches!(
        Verification::new(Vec::new()),
        Err(VerifyError::NoCheckpoint)
    ));
}
