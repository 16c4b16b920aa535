//! All paths in one place: path to route, route and method to handler.

use std::sync::Arc;

use http::Method;

use super::error::{ApiError, Result};
use super::request::Request;
use super::response::Response;
use super::{analytics, assets, auth, cluster, docs, fingerprints, partners, pictures, system, upload, usage, wallet};
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
    Partners,
    Partner(&'a str),
    PartnerDeposits(&'a str),
    PartnerKeys(&'a str),
    /// A partner's id and that of one of its keys.
    PartnerKey(&'a str, &'a str),
    Usages,
    UsageBatch,
    UsagesSettle,
    UsagesCancel,
    Usage(&'a str),
    UsageSettle(&'a str),
    UsageCancel(&'a str),
    WalletBalance,
    WalletHistory,
    WalletHistoryCsv,
    WalletStatement,
    Payouts,
    Payout(&'a str),
    PayoutCancel(&'a str),
    PayoutComplete(&'a str),
    PayoutFail(&'a str),
    WalletAdjustments,
    WalletBonuses,
    WalletRefunds,
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
        ["partners"] => Route::Partners,
        ["partners", id] => Route::Partner(id),
        ["partners", id, "deposits"] => Route::PartnerDeposits(id),
        ["partners", id, "keys"] => Route::PartnerKeys(id),
        ["partners", id, "keys", key_id] => Route::PartnerKey(id, key_id),
        ["usage"] => Route::Usages,
        ["usage", "batch"] => Route::UsageBatch,
        ["usage", "settle"] => Route::UsagesSettle,
        ["usage", "cancel"] => Route::UsagesCancel,
        ["usage", id] => Route::Usage(id),
        ["usage", id, "settle"] => Route::UsageSettle(id),
        ["usage", id, "cancel"] => Route::UsageCancel(id),
        ["wallet", "balance"] => Route::WalletBalance,
        ["wallet", "history"] => Route::WalletHistory,
        ["wallet", "history.csv"] => Route::WalletHistoryCsv,
        ["wallet", "statement"] => Route::WalletStatement,
        ["wallet", "payouts"] => Route::Payouts,
        ["wallet", "payouts", id] => Route::Payout(id),
        ["wallet", "payouts", id, "cancel"] => Route::PayoutCancel(id),
        ["wallet", "payouts", id, "complete"] => Route::PayoutComplete(id),
        ["wallet", "payouts", id, "fail"] => Route::PayoutFail(id),
        ["wallet", "adjustments"] => Route::WalletAdjustments,
        ["wallet", "bonuses"] => Route::WalletBonuses,
        ["wallet", "refunds"] => Route::WalletRefunds,
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
            Route::Partners => "/api/v1/partners",
            Route::Partner(_) => "/api/v1/partners/{id}",
            Route::PartnerDeposits(_) => "/api/v1/partners/{id}/deposits",
            Route::PartnerKeys(_) => "/api/v1/partners/{id}/keys",
            Route::PartnerKey(..) => "/api/v1/partners/{id}/keys/{key_id}",
            Route::Usages => "/api/v1/usage",
            Route::UsageBatch => "/api/v1/usage/batch",
            Route::UsagesSettle => "/api/v1/usage/settle",
            Route::UsagesCancel => "/api/v1/usage/cancel",
            Route::Usage(_) => "/api/v1/usage/{id}",
            Route::UsageSettle(_) => "/api/v1/usage/{id}/settle",
            Route::UsageCancel(_) => "/api/v1/usage/{id}/cancel",
            Route::WalletBalance => "/api/v1/wallet/balance",
            Route::WalletHistory => "/api/v1/wallet/history",
            Route::WalletHistoryCsv => "/api/v1/wallet/history.csv",
            Route::WalletStatement => "/api/v1/wallet/statement",
            Route::Payouts => "/api/v1/wallet/payouts",
            Route::Payout(_) => "/api/v1/wallet/payouts/{id}",
            Route::PayoutCancel(_) => "/api/v1/wallet/payouts/{id}/cancel",
            Route::PayoutComplete(_) => "/api/v1/wallet/payouts/{id}/complete",
            Route::PayoutFail(_) => "/api/v1/wallet/payouts/{id}/fail",
            Route::WalletAdjustments => "/api/v1/wallet/adjustments",
            Route::WalletBonuses => "/api/v1/wallet/bonuses",
            Route::WalletRefunds => "/api/v1/wallet/refunds",
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
            | Route::PartnerDeposits(_)
            | Route::UsageBatch
            | Route::UsagesSettle
            | Route::UsagesCancel
            | Route::UsageSettle(_)
            | Route::UsageCancel(_)
            | Route::PayoutCancel(_)
            | Route::PayoutComplete(_)
            | Route::PayoutFail(_)
            | Route::WalletAdjustments
            | Route::WalletBonuses
            | Route::WalletRefunds
            | Route::Predict
            | Route::Project
            | Route::ClusterDrain => "POST, OPTIONS",
            Route::Fingerprint(_) | Route::Partners | Route::PartnerKeys(_) | Route::Usages | Route::Payouts => {
                "GET, HEAD, POST, OPTIONS"
            }
            Route::Partner(_) => "GET, HEAD, PATCH, OPTIONS",
            Route::PartnerKey(..) => "DELETE, OPTIONS",
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
        ("POST", Route::Partners) => partners::create(app, request).await,
        ("GET", Route::Partners) => partners::list(app, request).await,
        ("GET", Route::Partner(id)) => partners::detail(app, request, id).await,
        ("PATCH", Route::Partner(id)) => partners::change(app, request, id).await,
        ("POST", Route::PartnerDeposits(id)) => partners::deposit(app, request, id).await,
        ("POST", Route::PartnerKeys(id)) => partners::create_key(app, request, id).await,
        ("GET", Route::PartnerKeys(id)) => partners::keys(app, request, id).await,
        ("DELETE", Route::PartnerKey(id, key_id)) => partners::revoke_key(app, request, id, key_id).await,
        ("POST", Route::Usages) => usage::report(app, request).await,
        ("GET", Route::Usages) => usage::list(app, request).await,
        ("POST", Route::UsageBatch) => usage::batch::report(app, request).await,
        ("POST", Route::UsagesSettle) => usage::batch::settle(app, request).await,
        ("POST", Route::UsagesCancel) => usage::batch::cancel(app, request).await,
        ("GET", Route::Usage(id)) => usage::detail(app, request, id).await,
        ("POST", Route::UsageSettle(id)) => usage::settle(app, request, id).await,
        ("POST", Route::UsageCancel(id)) => usage::cancel(app, request, id).await,
        ("GET", Route::WalletBalance) => wallet::balance(app, request).await,
        ("GET", Route::WalletHistory) => wallet::history(app, request).await,
        ("GET", Route::WalletHistoryCsv) => wallet::history_csv(app, request).await,
        ("GET", Route::WalletStatement) => wallet::statement(app, request).await,
        ("GET", Route::Payouts) => wallet::payouts(app, request).await,
        ("POST", Route::Payouts) => wallet::request_payout(app, request).await,
        ("GET", Route::Payout(id)) => wallet::payout(app, request, id).await,
        ("POST", Route::PayoutCancel(id)) => wallet::cancel(app, request, id).await,
        ("POST", Route::PayoutComplete(id)) => wallet::complete(app, request, id).await,
        ("POST", Route::PayoutFail(id)) => wallet::fail(app, request, id).await,
        ("POST", Route::WalletAdjustments) => wallet::adjust(app, request).await,
        ("POST", Route::WalletBonuses) => wallet::bonus(app, request).await,
        ("POST", Route::WalletRefunds) => wallet::refund(app, request).await,
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
