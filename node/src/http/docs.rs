//! The API reference: the OpenAPI file and Swagger UI, both out of the binary. Nothing is fetched from elsewhere.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use metastamp_setup::telemetry::context;
use utoipa_swagger_ui::Config;

use super::error::{self, Result};
use super::request::Request;
use super::response::{self, Response};
use crate::app::App;

static OPENAPI_YAML: &str = include_str!("../../../docs/openapi.yaml");
static OPENAPI_JSON: LazyLock<Bytes> = LazyLock::new(|| {
    let document: serde_json::Value = serde_yaml_ng::from_str(OPENAPI_YAML).unwrap_or_default();
    serde_json::to_vec(&document).unwrap_or_default().into()
});

const PAGE: &str = r##"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>META-STAMP V3 API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"##;
const START: &str = r##"window.ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: true,
  validatorUrl: null,
});
"##;

pub fn openapi() -> Response {
    response::raw(200, "application/json", OPENAPI_JSON.clone())
}

pub async fn page(_: Arc<App>, request: Request) -> Result<Response> {
    Ok(file(&request))
}

/// The page itself, or one of its files.
pub fn file(request: &Request) -> Response {
    let mut response = match request.params.get("file") {
        "" => response::raw(200, "text/html; charset=utf-8", PAGE),
        "start.js" => response::raw(200, "text/javascript; charset=utf-8", START),
        name => match asset(name) {
            Some(response) => response,
            None => return error::unknown_path(&context::request_id(), &request.path),
        },
    };
    let policy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:";
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

fn asset(file: &str) -> Option<Response> {
    let content_type = match file.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("png") => "image/png",
        _ => return None,
    };
    let found = utoipa_swagger_ui::serve(file, Arc::new(Config::from("/openapi.json"))).ok()??;
    Some(response::raw(200, content_type, found.bytes.into_owned()))
}
