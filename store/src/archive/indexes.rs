//! What the archive says about a collection beside its records: the indexes that mongorestore makes.

use serde_json::json;

use crate::documents::mongo::schema::{Index, indexes_of};
use crate::records::Collection;

/// The metadata of a collection as canonical Extended JSON.
pub(super) fn metadata(collection: Collection) -> String {
    let by_id = text(&[("_id", 1)], "_id_", &[]);
    let indexes: Vec<_> = std::iter::once(by_id).chain(indexes_of(collection.name()).map(index)).collect();
    let (name, indexes) = (collection.name(), indexes.join(","));
    format!(r#"{{"options":{{}},"indexes":[{indexes}],"collectionName":"{name}","type":"collection"}}"#)
}

fn index(index: &Index) -> String {
    let mut options = Vec::new();
    for (option, wanted) in [("unique", index.unique), ("sparse", index.sparse)] {
        options.extend(wanted.then(|| format!(r#""{option}":true"#)));
    }
    let expires = |seconds| format!(r#""expireAfterSeconds":{{"$numberLong":"{seconds}"}}"#);
    options.extend(index.expire_after.map(expires));
    text(index.keys, &index.name(), &options)
}

/// By hand, because the order of the fields of an index counts, and a JSON object of the library sorts its members.
fn text(keys: &[(&str, i32)], name: &str, options: &[String]) -> String {
    let int = |number: i32| format!(r#"{{"$numberInt":"{number}"}}"#);
    let keys: Vec<_> = keys.iter().map(|(field, way)| format!("{}:{}", json!(field), int(*way))).collect();
    let mut members = vec![
        format!(r#""v":{}"#, int(2)),
        format!(r#""key":{{{}}}"#, keys.join(",")),
        format!(r#""name":{}"#, json!(name)),
    ];
    members.extend_from_slice(options);
    format!("{{{}}}", members.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_order_and_options_are_told() {
        for collection in Collection::ALL {
            let text = metadata(collection);
            assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
        }
        let key = r#""key":{"user_id":{"$numberInt":"1"},"created_at":{"$numberInt":"-1"}}"#;
        assert!(metadata(Collection::Assets).contains(key), "{}", metadata(Collection::Assets));
        assert!(metadata(Collection::Users).contains(r#""name":"email_1","unique":true"#));
        assert!(metadata(Collection::RevokedSessions).contains(r#""expireAfterSeconds":{"$numberLong":"86400"}"#));
    }
}
