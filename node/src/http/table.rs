//! All routes: one row each, with its method, its path as the OpenAPI file spells it, who may call it, and its handler.
//! From the table come the matcher, `Allow`, the labels of metrics, and the authorisation before the handler runs.

use std::sync::{Arc, LazyLock};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::Method;
use metastamp_protocol::FileKind;
use metastamp_protocol::partner::Scope;
use metastamp_service::{Caller, Reporter};

use super::body::Limit;
use super::error::Result;
use super::request::Request;
use super::response::Response;
use super::{analytics, assets, auth, cluster, docs, fingerprints, partners, pictures, system, upload, usage, wallet};
use crate::app::App;

type Handler = Box<dyn Fn(Arc<App>, Request) -> BoxFuture<'static, Result<Response>> + Send + Sync>;

/// One method of one path.
pub struct Row {
    method: Method,
    /// As the OpenAPI file spells it: what is matched, and the label of metrics.
    template: &'static str,
    pub body: Limit,
    handler: Handler,
}

impl Row {
    /// Lets somebody in, or not, and answers.
    pub fn handle(&self, app: Arc<App>, request: Request) -> BoxFuture<'static, Result<Response>> {
        (self.handler)(app, request)
    }

    /// Whether it is there for this method, and not in the place of another.
    pub fn answers(&self, method: &Method) -> bool {
        self.method == *method
    }

    fn body(self, body: Limit) -> Self {
        Self { body, ..self }
    }
}

/// All methods of one path.
pub struct Path {
    pub template: &'static str,
    /// Value of the `Allow` header.
    pub allow: &'static str,
    rows: Vec<Row>,
}

impl Path {
    /// The row of a method. HEAD is GET without the body, where it has no row of its own; OPTIONS without a row is answered
    /// by the edge.
    pub fn row(&self, method: &Method) -> Option<&Row> {
        let of = |method: &Method| self.rows.iter().find(|row| row.method == method);
        of(method).or_else(|| of(&Method::GET).filter(|_| method == Method::HEAD))
    }
}

pub struct Table {
    paths: Vec<Path>,
    matcher: matchit::Router<usize>,
}

/// A path that we have, and what stood in its places.
pub struct Found {
    pub path: &'static Path,
    pub params: Params,
}

/// What stood in the places of a path, by name.
#[derive(Debug, Clone, Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// The empty text for a place that the path does not have, which would be a defect.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }
}

/// The route of a normalised path.
pub fn find(path: &str) -> Option<Found> {
    static TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(rows()));
    let table: &'static Table = &TABLE;
    let matched = table.matcher.at(path).ok()?;
    let params = matched.params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Some(Found { path: table.paths.get(*matched.value)?, params: Params(params) })
}

impl Table {
    fn new(rows: Vec<Row>) -> Self {
        let mut paths: Vec<Path> = Vec::new();
        for row in rows {
            match paths.iter_mut().find(|path| path.template == row.template) {
                Some(path) => path.rows.push(row),
                None => paths.push(Path { template: row.template, allow: "", rows: vec![row] }),
            }
        }
        let mut matcher = matchit::Router::new();
        for (index, path) in paths.iter_mut().enumerate() {
            path.allow = allow(&path.rows).leak();
            if let Err(error) = matcher.insert(path.template, index) {
                // Found by the first test that asks for any path.
                tracing::error!(%error, template = path.template, "two routes of one path");
            }
        }
        Self { paths, matcher }
    }
}

/// What a path answers, in a fixed order.
fn allow(rows: &[Row]) -> String {
    let has = |method: &Method| rows.iter().any(|row| row.method == method);
    let order = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    let answered = order.iter().filter(|method| match **method {
        Method::HEAD => has(&Method::GET) || has(&Method::HEAD),
        Method::OPTIONS => true,
        _ => has(method),
    });
    answered.map(Method::as_str).collect::<Vec<_>>().join(", ")
}

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PATCH: Method = Method::PATCH;
const DELETE: Method = Method::DELETE;

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    vec![
        public(GET, "/", async |_, _| Ok(system::root())),
        public(GET, "/health", async |_, _| Ok(system::health())),
        public(GET, "/ready", system::ready),
        public(GET, "/metrics", async |app: Arc<App>, _| Ok(system::metrics(&app.metrics))),
        public(GET, "/api/v1/health", system::api_health),
        public(GET, "/docs", docs::page),
        public(GET, "/docs/{file}", docs::page),
        public(GET, "/redoc", docs::page),
        public(GET, "/openapi.json", async |_, _| Ok(docs::openapi())),

        public(POST, "/api/v1/auth/register", auth::register),
        public(POST, "/api/v1/auth/login", auth::login),
        public(POST, "/api/v1/auth/login/json", auth::login_json),
        public(POST, "/api/v1/auth/logout", auth::logout),
        user(GET, "/api/v1/auth/me", auth::me),
        user(POST, "/api/v1/auth/refresh", auth::refresh),

        user(POST, "/api/v1/upload/text", upload::direct(FileKind::Text)).body(Limit::Streamed),
        user(POST, "/api/v1/upload/image", upload::direct(FileKind::Image)).body(Limit::Streamed),
        user(POST, "/api/v1/upload/audio", upload::direct(FileKind::Audio)).body(Limit::Streamed),
        user(POST, "/api/v1/upload/video", upload::direct(FileKind::Video)).body(Limit::Streamed),

        user(POST, "/api/v1/fingerprint", fingerprints::request),
        user(GET, "/api/v1/fingerprint/{id}", fingerprints::by_id),
        // here it is the id of an asset
        user(POST, "/api/v1/fingerprint/{id}", fingerprints::request_for),
        user(GET, "/api/v1/fingerprint/asset/{asset_id}", fingerprints::by_asset),

        user(GET, "/api/v1/assets", assets::list),
        user(GET, "/api/v1/assets/{asset_id}", assets::detail),
        user(DELETE, "/api/v1/assets/{asset_id}", assets::delete),
        // by its signature, or by the owner's token
        public(GET, "/api/v1/assets/{asset_id}/pictures/{name}", pictures::show),

        admin(POST, "/api/v1/partners", partners::create),
        admin(GET, "/api/v1/partners", partners::list),
        admin(GET, "/api/v1/partners/{id}", partners::detail),
        admin(PATCH, "/api/v1/partners/{id}", partners::change),
        admin(POST, "/api/v1/partners/{id}/deposits", partners::deposit),
        admin(POST, "/api/v1/partners/{id}/keys", partners::create_key),
        admin(GET, "/api/v1/partners/{id}/keys", partners::keys),
        admin(DELETE, "/api/v1/partners/{id}/keys/{key_id}", partners::revoke_key),

        reporter(POST, "/api/v1/usage", Scope::UsageWrite, usage::report),
        reporter(GET, "/api/v1/usage", Scope::UsageWrite, usage::list),
        reporter(POST, "/api/v1/usage/batch", Scope::UsageWrite, usage::batch::report).body(Limit::Batch),
        reporter(POST, "/api/v1/usage/settle", Scope::UsageSettle, usage::batch::settle).body(Limit::Batch),
        reporter(POST, "/api/v1/usage/cancel", Scope::UsageSettle, usage::batch::cancel).body(Limit::Batch),
        reporter(GET, "/api/v1/usage/{id}", Scope::UsageWrite, usage::detail),
        reporter(POST, "/api/v1/usage/{id}/settle", Scope::UsageSettle, usage::settle),
        reporter(POST, "/api/v1/usage/{id}/cancel", Scope::UsageSettle, usage::cancel),

        user(GET, "/api/v1/wallet/balance", wallet::balance),
        user(GET, "/api/v1/wallet/history", wallet::history),
        user(GET, "/api/v1/wallet/history.csv", wallet::history_csv),
        user(GET, "/api/v1/wallet/statement", wallet::statement),
        user(GET, "/api/v1/wallet/payouts", wallet::payouts),
        user(POST, "/api/v1/wallet/payouts", wallet::request_payout),
        user(GET, "/api/v1/wallet/payouts/{id}", wallet::payout),
        user(POST, "/api/v1/wallet/payouts/{id}/cancel", wallet::cancel),
        admin(POST, "/api/v1/wallet/payouts/{id}/complete", wallet::complete),
        admin(POST, "/api/v1/wallet/payouts/{id}/fail", wallet::fail),
        admin(POST, "/api/v1/wallet/adjustments", wallet::adjust),
        admin(POST, "/api/v1/wallet/bonuses", wallet::bonus),
        admin(POST, "/api/v1/wallet/refunds", wallet::refund),

        user(POST, "/api/v1/analytics/predict", analytics::predict),
        user(POST, "/api/v1/analytics/project", analytics::project),
        user(GET, "/api/v1/analytics/history", analytics::history),
        user(GET, "/api/v1/analytics/history/{calculation_id}", analytics::by_id),

        admin(GET, "/api/v1/cluster", cluster::members),
        admin(GET, "/api/v1/cluster/whereis/{id}", cluster::whereis),
        admin(POST, "/api/v1/cluster/drain", cluster::drain),
    ]
}

/// For everybody.
fn public<F, Fut>(method: Method, template: &'static str, handler: F) -> Row
where
    F: Fn(Arc<App>, Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response>> + Send + 'static,
{
    let handler: Handler = Box::new(move |app, request| handler(app, request).boxed());
    Row { method, template, body: Limit::Small, handler }
}

/// For whoever has an account and a token.
fn user<F, Fut>(method: Method, template: &'static str, handler: F) -> Row
where
    F: Fn(Arc<App>, Request, Caller) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<Response>> + Send + 'static,
{
    public(method, template, move |app, request| async move {
        let caller = auth::caller(&app, &request).await?;
        handler(app, request, caller).await
    })
}

/// For administrators only.
fn admin<F, Fut>(method: Method, template: &'static str, handler: F) -> Row
where
    F: Fn(Arc<App>, Request, Caller) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<Response>> + Send + 'static,
{
    user(method, template, move |app, request, caller: Caller| async move {
        caller.require_admin()?;
        handler(app, request, caller).await
    })
}

/// For partners with a key of this scope, and for administrators.
fn reporter<F, Fut>(method: Method, template: &'static str, scope: Scope, handler: F) -> Row
where
    F: Fn(Arc<App>, Request, Reporter) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<Response>> + Send + 'static,
{
    public(method, template, move |app, request| async move {
        let reporter = auth::reporter(&app, &request, scope).await?;
        handler(app, request, reporter).await
    })
}

#[cfg(test)]
mod tests;
