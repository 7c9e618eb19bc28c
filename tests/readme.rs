//! The README's table of providers is the provider table: `UPDATE_README=1 cargo test --test readme` writes it anew.

use edgeway::provider::table::KINDS;
use std::fs;

const BEGIN: &str = "<!-- providers -->\n";
const END: &str = "<!-- /providers -->";

fn table() -> String {
    let mut text =
        String::from("| kind | provider | base URL | key variables |\n| --- | --- | --- | --- |\n");
    for kind in KINDS {
        let base_url = kind.base_url.map_or("your own".to_owned(), |url| format!("`{url}`"));
        let name = |prefix: &str| match prefix.strip_prefix('=') {
            Some(whole) => format!("`{whole}`"),
            None => format!("`{prefix}_API_KEY`"),
        };
        let variables = kind.env_prefixes().map(name).collect::<Vec<_>>().join(", ");
        text += &format!("| `{}` | {} | {base_url} | {variables} |\n", kind.name, kind.title);
    }
    text
}

#[test]
fn the_readme_lists_every_kind_of_provider() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = fs::read_to_string(path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).expect("the README has a place for the table");
    let (listed, after) = rest.split_once(END).expect("the table has an end");
    if std::env::var_os("UPDATE_README").is_some() {
        fs::write(path, format!("{before}{BEGIN}{}{END}{after}", table())).unwrap();
    } else {
        assert_eq!(listed, table(), "run UPDATE_README=1 cargo test --test readme");
    }
}
