//! All paths in one place: path to route, route and method to handler.

use std::sync::Arc;

use http::Method;

use super::error::{ApiError, Result};
use super::request::Request;
use super::response::Response;
use super::{analytics, assets, auth, cluster, docs, fingerprints, pictures, system, upload};
use crate::app::App;
use metastamp_protocol::FileKind;

/// A known path. Ids are not judged yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route<'a> {
    Root,
    Health,
    Ready,
    Metrics,
    ApiHealth,
    Docs(&'a str),
    OpenApi,
    Register,
    Login,
    LoginJson,
    Logout,
    Me,
    Refresh,
    Upload(FileKind),
    Fingerprints,
    /// A fingerprint id for GET, an asset id for POST.
    Fingerprint(&'a str),
    FingerprintOfAsset(&'a str),
    Assets,
    Asset(&'a str),
    /// An asset's id and the name of one of its pictures.
    Picture(&'a str, &'a str),
    Predict,
    Project,
    Calculations,
    Calculation(&'a str),
    Cluster,
    Whereis(&'a str),
    ClusterDrain,
}

/// The route of a normalised path.
pub fn find(path: &str) -> Option<Route<'_>> {
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    Some(match segments.as_slice() {
        [""] => Route::Root,
        ["health"] => Route::Health,
        ["ready"] => Route::Ready,
        ["metrics"] => Route::Metrics,
        ["docs" | "redoc"] => Route::Docs(""),
        ["docs", file] => Route::Docs(file),
        ["openapi.json"] => Route::OpenApi,
        ["api", "v1", rest @ ..] => return find_api(rest),
        _ => return None,
    })
}

fn find_api<'a>(segments: &[&'a str]) -> Option<Route<'a>> {
    Some(match *segments {
        ["health"] => Route::ApiHealth,
        ["auth", "register"] => Route::Register,
        ["auth", "login"] => Route::Login,
        ["auth", "login", "json"] => Route::LoginJson,
        ["auth", "logout"] => Route::Logout,
        ["auth", "me"] => Route::Me,
        ["auth", "refresh"] => Route::Refresh,
        ["upload", kind @ ("text" | "image" | "audio" | "video")] => Route::Upload(FileKind::parse(kind)?),
        ["fingerprint"] => Route::Fingerprints,
        ["fingerprint", id] => Route::Fingerprint(id),
        ["fingerprint", "asset", id] => Route::FingerprintOfAsset(id),
        ["assets"] => Route::Assets,
        ["assets", id] => Route::Asset(id),
        ["assets", id, "pictures", name] => Route::Picture(id, name),
        ["analytics", "predict"] => Route::Predict,
        ["analytics", "project"] => Route::Project,
        ["analytics", "history"] => Route::Calculations,
        ["analytics", "history", id] => Route::Calculation(id),
        ["cluster"] => Route::Cluster,
        ["cluster", "whereis", id] => Route::Whereis(id),
        ["cluster", "drain"] => Route::ClusterDrain,
        _ => return None,
    })
}

impl Route<'_> {
    /// As the OpenAPI file spells it: the label of metrics.
    pub fn template(&self) -> &'static str {
        match self {
            Route::Root => "/",
            Route::Health => "/health",
            Route::Ready => "/ready",
            Route::Metrics => "/metrics",
            Route::ApiHealth => "/api/v1/health",
            Route::Docs(_) => "/docs",
            Route::OpenApi => "/openapi.json",
            Route::Register => "/api/v1/auth/register",
            Route::Login => "/api/v1/auth/login",
            Route::LoginJson => "/api/v1/auth/login/json",
            Route::Logout => "/api/v1/auth/logout",
            Route::Me => "/api/v1/auth/me",
            Route::Refresh => "/api/v1/auth/refresh",
            Route::Upload(FileKind::Text | FileKind::Url) => "/api/v1/upload/text",
            Route::Upload(FileKind::Image) => "/api/v1/upload/image",
            Route::Upload(FileKind::Audio) => "/api/v1/upload/audio",
            Route::Upload(FileKind::Video) => "/api/v1/upload/video",
            Route::Fingerprints => "/api/v1/fingerprint",
            Route::Fingerprint(_) => "/api/v1/fingerprint/{id}",
            Route::FingerprintOfAsset(_) => "/api/v1/fingerprint/asset/{asset_id}",
            Route::Assets => "/api/v1/assets",
            Route::Asset(_) => "/api/v1/assets/{asset_id}",
            Route::Picture(..) => "/api/v1/assets/{asset_id}/pictures/{name}",
            Route::Predict => "/api/v1/analytics/predict",
            Route::Project => "/api/v1/analytics/project",
            Route::Calculations => "/api/v1/analytics/history",
            Route::Calculation(_) => "/api/v1/analytics/history/{calculation_id}",
            Route::Cluster => "/api/v1/cluster",
            Route::Whereis(_) => "/api/v1/cluster/whereis/{id}",
            Route::ClusterDrain => "/api/v1/cluster/drain",
        }
    }

    /// Value of the Allow header.
    pub fn allow(&self) -> &'static str {
        match self {
            Route::Register
            | Route::Login
            | Route::LoginJson
            | Route::Logout
            | Route::Refresh
            | Route::Upload(_)
            | Route::Fingerprints
            | Route::Predict
            | Route::Project
            | Route::ClusterDrain => "POST, OPTIONS",
            Route::Fingerprint(_) => "GET, HEAD, POST, OPTIONS",
            Route::Asset(_) => "GET, HEAD, DELETE, OPTIONS",
            _ => "GET, HEAD, OPTIONS",
        }
    }
}

/// Calls the handler of a route.
pub async fn handle(app: &Arc<App>, route: Route<'_>, mut request: Request) -> Result<Response> {
    let allow = route.allow();
    // HEAD is GET without the body.
    let method = if request.method == Method::HEAD { Method::GET } else { request.method.clone() };
    let request = &mut request;
    match (method.as_str(), route) {
        ("GET", Route::Root) => Ok(system::root()),
        ("GET", Route::Health) => Ok(system::health()),
        ("GET", Route::Ready) => Ok(system::ready(app).await),
        ("GET", Route::Metrics) => Ok(system::metrics(&app.metrics)),
        ("GET", Route::ApiHealth) => system::api_health(app).await,
        ("GET", Route::Docs(file)) => docs::page(file),
        ("GET", Route::OpenApi) => Ok(docs::openapi()),
        ("POST", Route::Register) => auth::register(app, request).await,
        ("POST", Route::Login) => auth::login(app, request).await,
        ("POST", Route::LoginJson) => auth::login_json(app, request).await,
        ("POST", Route::Logout) => auth::logout(app, request).await,
        ("GET", Route::Me) => auth::me(app, request).await,
        ("POST", Route::Refresh) => auth::refresh(app, request).await,
        ("POST", Route::Upload(kind)) => upload::direct(app, kind, request).await,
        ("POST", Route::Fingerprints) => fingerprints::request(app, request).await,
        ("POST", Route::Fingerprint(id)) => fingerprints::request_for(app, request, id).await,
        ("GET", Route::Fingerprint(id)) => fingerprints::by_id(app, request, id).await,
        ("GET", Route::FingerprintOfAsset(id)) => fingerprints::by_asset(app, request, id).await,
        ("GET", Route::Assets) => assets::list(app, request).await,
        ("GET", Route::Asset(id)) => assets::detail(app, request, id).await,
        ("GET", Route::Picture(id, name)) => pictures::show(app, request, id, name).await,
        ("DELETE", Route::Asset(id)) => assets::delete(app, request, id).await,
        ("POST", Route::Predict) => analytics::predict(app, request).await,
        ("POST", Route::Project) => analytics::project(app, request).await,
        ("GET", Route::Calculations) => analytics::history(app, request).await,
        ("GET", Route::Calculation(id)) => analytics::by_id(app, request, id).await,
        ("GET", Route::Cluster) => cluster::members(app, request).await,
        ("GET", Route::Whereis(id)) => cluster::whereis(app, request, id).await,
        ("POST", Route::ClusterDrain) => cluster::drain(app, request).await,
        _ => Err(ApiError::method_not_allowed(allow)),
    }
}
