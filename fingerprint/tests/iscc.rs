//! The conformance vectors of ISO 24138:2024, as iscc-core 1.5.0 carries them.
#![allow(clippy::unwrap_used)]

use iscc_lib as lib;
use metastamp_fingerprint::iscc::{decode_sequence, encode_sequence};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Golden {
    conformance: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    function: String,
    name: String,
    inputs: Vec<Value>,
    outputs: Value,
}

fn list<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    hex::decode(text.strip_prefix("stream:").or_else(|| text.strip_prefix("bytes:")).unwrap()).unwrap()
}

fn strings(value: &Value) -> Vec<String> {
    list(value)
}

fn code(vector: &Vector) -> Value {
    let inputs = &vector.inputs;
    let first = &inputs[0];
    let bits = inputs.last().and_then(Value::as_u64).unwrap_or_default() as u32;
    let iscc = match vector.function.as_str() {
        "gen_meta_code_v0" => {
            let meta = match &inputs[2] {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                object => Some(object.to_string()),
            };
            lib::gen_meta_code_v0(first.as_str().unwrap(), inputs[1].as_str(), meta.as_deref(), bits).unwrap().iscc
        }
        "gen_text_code_v0" => lib::gen_text_code_v0(first.as_str().unwrap(), bits).unwrap().iscc,
        "gen_image_code_v0" => lib::gen_image_code_v0(&list::<Vec<u8>>(first), bits).unwrap().iscc,
        "gen_audio_code_v0" => lib::gen_audio_code_v0(&list::<Vec<i32>>(first), bits).unwrap().iscc,
        "gen_video_code_v0" => lib::gen_video_code_v0(&list::<Vec<Vec<i32>>>(first), bits).unwrap().iscc,
        "gen_mixed_code_v0" => {
            let codes = strings(first);
            lib::gen_mixed_code_v0(&codes.iter().map(String::as_str).collect::<Vec<_>>(), bits).unwrap().iscc
        }
        "gen_data_code_v0" => lib::gen_data_code_v0(&bytes(first), bits).unwrap().iscc,
        "gen_instance_code_v0" => lib::gen_instance_code_v0(&bytes(first), bits).unwrap().iscc,
        "gen_iscc_code_v0" => {
            let codes = strings(first);
            lib::gen_iscc_code_v0(&codes.iter().map(String::as_str).collect::<Vec<_>>(), false).unwrap().iscc
        }
        "encode_seq" => return json!(format!("bytes:{}", hex::encode(encode_sequence(&strings(first)).unwrap()))),
        "decode_seq" => return json!(decode_sequence(&bytes(first)).unwrap()),
        function => panic!("{function} is not known"),
    };
    json!(iscc)
}

#[test]
fn all_58_conformance_vectors() {
    let golden: Golden = serde_json::from_str(include_str!("../golden/text.json")).unwrap();
    assert_eq!(golden.conformance.len(), 58);
    for vector in &golden.conformance {
        let expected = vector.outputs.get("iscc").unwrap_or(&vector.outputs);
        assert_eq!(&code(vector), expected, "{} {}", vector.function, vector.name);
    }
}

#[test]
fn the_library_agrees_with_itself() {
    assert!(lib::conformance_selftest());
}
