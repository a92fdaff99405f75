//! The migrated catalogue, beside `expected_catalogue.txt`: what the document asks for, written out by table.

use secrecy::SecretString;
use tokio_postgres::Client;

use crate::{connect, migrated};

#[tokio::test]
async fn the_migrated_catalogue_is_the_one_written_down() {
    let database = migrated().await;
    let found = describe(&database.url()).await;
    let expected: Vec<_> = include_str!("expected_catalogue.txt").lines().collect();
    let missing = lines_only_in(&expected, &found);
    let unexpected = lines_only_in(&found, &expected);
    assert!(
        missing.is_empty() && unexpected.is_empty(),
        "missing:\n{}\nnot expected:\n{}",
        missing.join("\n"),
        unexpected.join("\n")
    );
    assert_eq!(found, expected, "the same lines in another order");
}

#[tokio::test]
async fn every_foreign_key_is_indexed() {
    let database = migrated().await;
    let unindexed: Vec<String> = connect(&database.url())
        .await
        .query(
            "SELECT conname::text FROM pg_constraint
             WHERE contype = 'f' AND NOT EXISTS (
                 SELECT FROM pg_index
                 WHERE indrelid = conrelid AND indkey[0] = conkey[1] AND indpred IS NULL)",
            &[],
        )
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert_eq!(unindexed, Vec::<String>::new());
}

/// What the schema holds, table by table in the order in which they were made, one line for each column, constraint,
/// index, policy, grant and trigger, and the functions at the end.
pub async fn describe(url: &SecretString) -> Vec<String> {
    let client = connect(url).await;
    let tables = client
        .query(
            "SELECT oid, relname::text, relrowsecurity, relforcerowsecurity FROM pg_class
             WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'seaql_migrations'
             ORDER BY oid",
            &[],
        )
        .await
        .unwrap();
    let mut lines = Vec::new();
    for table in tables {
        let (name, enabled, forced): (String, bool, bool) =
            (table.get(1), table.get(2), table.get(3));
        lines.push(format!("table {name}"));
        for query in [COLUMNS, CONSTRAINTS, INDEXES] {
            lines.extend(rows(&client, query, table.get(0)).await);
        }
        lines.push(format!(
            "  row level security: enabled {enabled}, forced {forced}"
        ));
        for query in [POLICIES, GRANTS, COLUMN_GRANTS, TRIGGERS] {
            lines.extend(rows(&client, query, table.get(0)).await);
        }
    }
    let functions = rows(&client, FUNCTIONS, 0).await;
    if !functions.is_empty() {
        lines.push("functions".to_owned());
        lines.extend(functions);
    }
    lines
}

/// Before PostgreSQL 14, `AT TIME ZONE` is shown as the function it is.
const COLUMNS: &str = r"
    SELECT format('column %s %s%s%s', attname, format_type(atttypid, atttypmod),
        CASE WHEN attnotnull THEN ' not null' END, ' default ' ||
        regexp_replace(pg_get_expr(adbin, adrelid), '^timezone\((.*?), (.*)\)$', '(\2 AT TIME ZONE \1)'))
    FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped
    ORDER BY attnum";

const CONSTRAINTS: &str = "
    SELECT format('constraint %s %s', conname, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE conrelid = $1 AND contype <> 'n'
    ORDER BY conname";

const INDEXES: &str = "
    SELECT format('index %s %s%s', indexrelid::regclass, CASE WHEN indisunique THEN 'unique ' END,
        substring(pg_get_indexdef(indexrelid) FROM 'USING .*'))
    FROM pg_index WHERE indrelid = $1
    ORDER BY indexrelid::regclass::text COLLATE \"C\"";

const POLICIES: &str = "
    SELECT format('policy %s%s for %s to %s using %s check %s', polname, CASE WHEN NOT polpermissive THEN ' restrictive' END,
        CASE polcmd WHEN '*' THEN 'all' WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update' ELSE polcmd::text END,
        polroles[1]::regrole, pg_get_expr(polqual, polrelid), coalesce(pg_get_expr(polwithcheck, polrelid), 'none'))
    FROM pg_policy WHERE polrelid = $1 AND cardinality(polroles) = 1
    ORDER BY polname";

const GRANTS: &str = "
    SELECT format('grant %s to %s', string_agg(privilege_type, ', ' ORDER BY privilege_type), grantee::regrole)
    FROM pg_class, aclexplode(relacl) WHERE pg_class.oid = $1 AND grantee <> relowner
    GROUP BY grantee ORDER BY grantee::regrole::text";

const COLUMN_GRANTS: &str = "
    SELECT format('grant %s (%s) to %s', privilege_type, string_agg(attname, ', ' ORDER BY attnum), grantee::regrole)
    FROM pg_attribute, aclexplode(attacl) WHERE attrelid = $1
    GROUP BY privilege_type, grantee ORDER BY privilege_type, grantee::regrole::text";

const TRIGGERS: &str = "
    SELECT format('trigger %s', substring(pg_get_triggerdef(oid) FROM '(?:BEFORE|AFTER) .*'))
    FROM pg_trigger WHERE tgrelid = $1 AND NOT tgisinternal
    ORDER BY tgname";

const FUNCTIONS: &str = "
    SELECT format('function %s %s %s, for %s', pg_proc.oid::regprocedure,
        CASE WHEN prosecdef THEN 'as its owner' ELSE 'as its caller' END, array_to_string(proconfig, ' '),
        coalesce((SELECT string_agg(coalesce(nullif(grantee, 0)::regrole::text, 'everybody'), ', ')
            FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee <> proowner), 'its owner alone'))
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND $1 = 0::oid
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
    ORDER BY proname";

async fn rows(client: &Client, query: &str, table: u32) -> Vec<String> {
    let rows = client.query(query, &[&table]).await.unwrap();
    rows.iter()
        .map(|row| row.get::<_, String>(0))
        // PostgreSQL breaks a policy's sub-select into lines.
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .map(|line| format!("  {line}"))
        .collect()
}

fn lines_only_in(lines: &[impl AsRef<str>], others: &[impl AsRef<str>]) -> Vec<String> {
    let others = with_their_table(others);
    let mut lines = with_their_table(lines);
    lines.retain(|line| !others.contains(line));
    lines
}

/// Each line behind the one that it belongs to: several tables have a column of the same name.
fn with_their_table(lines: &[impl AsRef<str>]) -> Vec<String> {
    let mut table = "";
    let lines = lines.iter().map(|line| {
        let line = line.as_ref();
        if !line.starts_with(' ') {
            table = line;
        }
        format!("{table}: {}", line.trim())
    });
    lines.collect()
}
