//! For administrators: partners, the money they pay in, and their API keys.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use metastamp_protocol::http::{ApiKeyView, DepositView, Paging, PartnerView, enveloped, listed};
use metastamp_protocol::ledger::{LedgerAnswer, Order, OrderKind};
use metastamp_protocol::money::AmountError;
use metastamp_protocol::partner::{ApiKey, Partner, Scope};
use metastamp_protocol::{Amount, Currency, ObjectId, Timestamp};
use metastamp_store::StoreError;
use serde_json::value::RawValue;

use super::cluster::admin;
use super::error::{ApiError, Result};
use super::fields::Fields;
use super::money::{idempotency_key, refused};
use super::params::{Page, Params};
use super::request::{Request, object_id};
use super::response::{self, Response};
use crate::app::App;
use crate::auth::api_keys;
use crate::telemetry::context;

const NAME_CHARS: std::ops::RangeInclusive<usize> = 1..=100;
const DESCRIPTION_CHARS: std::ops::RangeInclusive<usize> = 1..=500;
/// How often a change is tried when others change the same partner.
const CHANGE_TRIES: u32 = 3;
/// Keys of one partner, the revoked ones too.
const KEYS_MAX: usize = 100;

/// # Errors
/// 400 for an id that is none, 404 when there is no such partner.
async fn found(app: &App, id: &str) -> Result<Partner> {
    app.documents.partner(object_id(id)?).await?.ok_or_else(|| ApiError::not_found("Partner"))
}

/// With what its wallet holds.
async fn view<'a>(app: &App, partner: &'a Partner) -> Result<PartnerView<'a>> {
    let head = app.documents.head(partner.id).await?;
    Ok(PartnerView::new(partner, &head.map(|row| row.balances).unwrap_or_default()))
}

pub async fn create(app: &Arc<App>, request: &mut Request) -> Result<Response> {
    let caller = admin(app, request).await?;
    let mut fields = Fields::parse(&request.body.read_small().await?)?;
    let name = fields.text("name", NAME_CHARS);
    let name = fields.required("name", name);
    let credit_limits = credit_limits(&mut fields).unwrap_or_default();
    let name = fields.end(name)?;
    let now = Timestamp::now();
    let id = ObjectId::generate();
    let partner = Partner { id, name, credit_limits, is_active: true, created_at: now, updated_at: now };
    app.documents.insert_partner(&partner).await.map_err(name_taken)?;
    tracing::info!(partner = %id, by = %caller.user.id, "partner created");
    Ok(response::json(201, &enveloped(&view(app, &partner).await?)))
}

pub async fn list(app: &Arc<App>, request: &mut Request) -> Result<Response> {
    admin(app, request).await?;
    let mut params = Params::of(request);
    let Page { skip, limit } = params.page(&["limit"]);
    params.end()?;
    let (partners, total) = app.documents.partners(skip, limit).await?;
    let views = try_join_all(partners.iter().map(|partner| view(app, partner))).await?;
    let paging = Paging { skip, limit, total, shown: views.len() };
    Ok(response::with_total(response::json(200, &listed(&views, paging)), total))
}

pub async fn detail(app: &Arc<App>, request: &mut Request, id: &str) -> Result<Response> {
    admin(app, request).await?;
    let partner = found(app, id).await?;
    Ok(response::json(200, &enveloped(&view(app, &partner).await?)))
}

/// Changes what the body names. Limits are replaced as a whole.
pub async fn change(app: &Arc<App>, request: &mut Request, id: &str) -> Result<Response> {
    let caller = admin(app, request).await?;
    // The body first: while it comes in, others may change the partner.
    let mut fields = Fields::parse(&request.body.read_small().await?)?;
    let name = fields.text("name", NAME_CHARS);
    let credit_limits = credit_limits(&mut fields);
    let is_active = fields.value::<bool>("is_active", "true or false");
    let changes = fields.end(Some(Changes { name, credit_limits, is_active }))?;
    let partner = changed(app, id, &changes).await?;
    tracing::info!(partner = %partner.id, by = %caller.user.id, "partner changed");
    Ok(response::json(200, &enveloped(&view(app, &partner).await?)))
}

/// What a body names; the rest stays as it is.
struct Changes {
    name: Option<String>,
    credit_limits: Option<BTreeMap<Currency, Amount>>,
    is_active: Option<bool>,
}

/// The partner with `changes` made, on top of whatever others have changed.
///
/// # Errors
/// 503 when others were faster each time.
async fn changed(app: &App, id: &str, changes: &Changes) -> Result<Partner> {
    for left in (0..CHANGE_TRIES).rev() {
        let mut partner = found(app, id).await?;
        let seen = partner.updated_at;
        partner.name = changes.name.clone().unwrap_or(partner.name);
        partner.credit_limits = changes.credit_limits.clone().unwrap_or(partner.credit_limits);
        partner.is_active = changes.is_active.unwrap_or(partner.is_active);
        // Later in any case: two changes of one millisecond are told apart by it.
        partner.updated_at = Timestamp::now().max(seen.plus(Duration::from_millis(1)));
        match app.documents.save_partner(&partner, seen).await {
            Err(StoreError::Fenced { .. }) if left > 0 => {}
            saved => return saved.map(|()| partner).map_err(name_taken),
        }
    }
    Err(ApiError::busy())
}

/// `{"USD": 100.00}`: by currency, not negative.
fn credit_limits(fields: &mut Fields) -> Option<BTreeMap<Currency, Amount>> {
    const NAME: &str = "credit_limits";
    let sent = fields.value::<BTreeMap<String, Box<RawValue>>>(NAME, "an object of amounts by currency")?;
    let mut limits = BTreeMap::new();
    for (code, raw) in sent {
        let Some(currency) = Currency::parse(&code) else {
            let known = Currency::ALL.map(Currency::code).join(", ");
            fields.wrong(NAME, format!("knows only {known}"));
            continue;
        };
        let text = serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned());
        match Amount::parse(&text, currency) {
            Ok(limit) if limit.is_negative() => fields.wrong(NAME, format!("{code} {}", AmountError::Negative)),
            Ok(limit) => drop(limits.insert(currency, limit)),
            Err(error) => fields.wrong(NAME, format!("{code} {error}")),
        }
    }
    Some(limits)
}

fn name_taken(error: StoreError) -> ApiError {
    match error {
        StoreError::Conflict { .. } => ApiError::field("name", "is taken by another partner"),
        error => error.into(),
    }
}

/// Books money that came in.
pub async fn deposit(app: &Arc<App>, request: &mut Request, id: &str) -> Result<Response> {
    let caller = admin(app, request).await?;
    let partner = found(app, id).await?;
    let key = idempotency_key(request)?;
    let mut fields = Fields::parse(&request.body.read_small().await?)?;
    let currency = fields.currency();
    let amount = fields.amount("amount", currency);
    let amount = fields.required("amount", amount);
    if amount.is_some_and(|amount| amount <= Amount::ZERO) {
        fields.wrong("amount", AmountError::Zero.to_string());
    }
    let description = fields.text("description", DESCRIPTION_CHARS);
    let description = fields.required("description", description);
    let (amount, description) = fields.end(amount.zip(description))?;
    let order = Order {
        wallet_id: partner.id,
        key: format!("deposit/{key}"),
        asked_by: caller.user.id,
        kind: OrderKind::Deposit { amount, currency, description },
    };
    let answered = app.actors.wallets.order(order).await?;
    context::set_owner(&answered.owner);
    match answered.answer {
        LedgerAnswer::Committed { row, repeat } => {
            let view = DepositView::new(&partner, &row, repeat);
            Ok(response::json(if repeat { 200 } else { 201 }, &enveloped(&view)))
        }
        LedgerAnswer::Refused(refusal) => Err(refused(refusal, currency)),
    }
}

/// The answer is the only one that shows the secret.
pub async fn create_key(app: &Arc<App>, request: &mut Request, id: &str) -> Result<Response> {
    let caller = admin(app, request).await?;
    let partner = found(app, id).await?;
    let mut fields = Fields::parse(&request.body.read_small().await?)?;
    let name = fields.text("name", NAME_CHARS);
    let name = fields.required("name", name);
    let scopes = scopes(&mut fields);
    let scopes = fields.required("scopes", scopes);
    let (name, scopes) = fields.end(name.zip(scopes))?;
    if app.documents.api_keys(partner.id).await?.len() >= KEYS_MAX {
        return Err(ApiError::field("name", format!("would be that of more than {KEYS_MAX} keys")));
    }
    let id = ObjectId::generate();
    let (secret, secret_hash) = api_keys::generate(id);
    let created_at = Timestamp::now();
    let key = ApiKey { id, partner_id: partner.id, name, scopes, secret_hash, created_at, revoked_at: None };
    app.documents.insert_api_key(&key).await?;
    tracing::info!(partner = %partner.id, key = %id, by = %caller.user.id, "API key created");
    Ok(response::json(201, &enveloped(&ApiKeyView::new(&key, Some(&secret)))))
}

fn scopes(fields: &mut Fields) -> Option<Vec<Scope>> {
    let words = fields.value::<Vec<String>>("scopes", "a list of scopes")?;
    let mut scopes: Vec<_> = words.iter().filter_map(|word| Scope::parse(word)).collect();
    if scopes.is_empty() || scopes.len() < words.len() {
        let known = Scope::ALL.map(Scope::as_str).join(", ");
        fields.wrong("scopes", format!("must name some of {known}"));
        return None;
    }
    scopes.sort_unstable();
    scopes.dedup();
    Some(scopes)
}

pub async fn keys(app: &Arc<App>, request: &mut Request, id: &str) -> Result<Response> {
    admin(app, request).await?;
    let partner = found(app, id).await?;
    let keys = app.documents.api_keys(partner.id).await?;
    let views: Vec<_> = keys.iter().map(|key| ApiKeyView::new(key, None)).collect();
    // They are few, and shown at once.
    let total = views.len() as u64;
    let paging = Paging { skip: 0, limit: KEYS_MAX as u32, total, shown: views.len() };
    Ok(response::with_total(response::json(200, &listed(&views, paging)), total))
}

pub async fn revoke_key(app: &Arc<App>, request: &mut Request, id: &str, key_id: &str) -> Result<Response> {
    let caller = admin(app, request).await?;
    let partner = found(app, id).await?;
    let key_id = object_id(key_id)?;
    app.documents.revoke_api_key(partner.id, key_id, Timestamp::now()).await?;
    tracing::info!(partner = %partner.id, key = %key_id, by = %caller.user.id, "API key revoked");
    let key = app.documents.api_keys(partner.id).await?.into_iter().find(|key| key.id == key_id);
    let key = key.ok_or_else(|| ApiError::not_found("API key"))?;
    Ok(response::json(200, &enveloped(&ApiKeyView::new(&key, None))))
}
