//! For administrators: partners, the money they pay in, and their API keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use metastamp_protocol::http::{ApiKeyView, DepositView, Paging, PartnerView, enveloped, listed};
use metastamp_protocol::partner::Scope;
use metastamp_protocol::{Amount, Currency};
use metastamp_service::Caller;
use metastamp_service::money::DESCRIPTION_CHARS;
use metastamp_service::partners::{
    Account, Changes, Deposit, Deposited, KEYS_MAX, NAME_CHARS, NewKey, NewPartner, judge_deposit, judge_limit,
};
use serde_json::value::RawValue;

use super::error::Result;
use super::money::{decided, idempotency_key};
use super::read::{Fields, Page, Params};
use super::request::Request;
use super::response::{self, Response};
use crate::app::App;

fn view(account: &Account) -> PartnerView<'_> {
    PartnerView::new(&account.partner, &account.balances)
}

pub async fn create(app: Arc<App>, mut request: Request, caller: Caller) -> Result<Response> {
    let mut fields = Fields::parse(&request.body.read().await?)?;
    let name = fields.text("name", NAME_CHARS);
    let name = fields.required("name", name);
    let credit_limits = credit_limits(&mut fields).unwrap_or_default();
    let name = fields.end(name)?;
    let account = app.service.partners.create(&caller, NewPartner { name, credit_limits }).await?;
    Ok(response::json(201, &enveloped(&view(&account))))
}

pub async fn list(app: Arc<App>, request: Request, _: Caller) -> Result<Response> {
    let mut params = Params::of(&request);
    let Page { skip, limit } = params.page(&["limit"]);
    params.end()?;
    let (accounts, total) = app.service.partners.list(skip, limit).await?;
    let views: Vec<_> = accounts.iter().map(view).collect();
    let paging = Paging { skip, limit, total, shown: views.len() };
    Ok(response::with_total(response::json(200, &listed(&views, paging)), total))
}

pub async fn detail(app: Arc<App>, request: Request, _: Caller) -> Result<Response> {
    let account = app.service.partners.account(request.id("id")?).await?;
    Ok(response::json(200, &enveloped(&view(&account))))
}

/// Changes what the body names. Limits are replaced as a whole.
pub async fn change(app: Arc<App>, mut request: Request, caller: Caller) -> Result<Response> {
    let id = request.id("id")?;
    // The body first: while it comes in, others may change the partner.
    let mut fields = Fields::parse(&request.body.read().await?)?;
    let name = fields.text("name", NAME_CHARS);
    let credit_limits = credit_limits(&mut fields);
    let is_active = fields.value::<bool>("is_active", "true or false");
    let changes = fields.end(Some(Changes { name, credit_limits, is_active }))?;
    let account = app.service.partners.change(&caller, id, &changes).await?;
    Ok(response::json(200, &enveloped(&view(&account))))
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
        match Amount::parse(&text, currency).and_then(|limit| judge_limit(limit).map(|()| limit)) {
            Ok(limit) => drop(limits.insert(currency, limit)),
            Err(error) => fields.wrong(NAME, format!("{code} {error}")),
        }
    }
    Some(limits)
}

/// Books money that came in.
pub async fn deposit(app: Arc<App>, mut request: Request, caller: Caller) -> Result<Response> {
    let partner = app.service.partners.find(request.id("id")?).await?;
    let key = idempotency_key(&request)?;
    let deposit = sent(&request.body.read().await?)?;
    let Deposited { row, repeat } = decided(app.service.partners.deposit(&caller, &partner, key, deposit).await)?;
    let view = DepositView::new(&partner, &row, repeat);
    Ok(response::json(if repeat { 200 } else { 201 }, &enveloped(&view)))
}

fn sent(body: &[u8]) -> Result<Deposit> {
    let mut fields = Fields::parse(body)?;
    let currency = fields.currency();
    let amount = fields.amount("amount", currency);
    let amount = fields.required("amount", amount);
    if let Some(amount) = amount {
        fields.noted("amount", judge_deposit(amount));
    }
    let description = fields.text("description", DESCRIPTION_CHARS);
    let description = fields.required("description", description);
    let (amount, description) = fields.end(amount.zip(description))?;
    Ok(Deposit { amount, currency, description })
}

/// The answer is the only one that shows the secret.
pub async fn create_key(app: Arc<App>, mut request: Request, caller: Caller) -> Result<Response> {
    let partner = app.service.partners.find(request.id("id")?).await?;
    let mut fields = Fields::parse(&request.body.read().await?)?;
    let name = fields.text("name", NAME_CHARS);
    let name = fields.required("name", name);
    let scopes = scopes(&mut fields);
    let scopes = fields.required("scopes", scopes);
    let (name, scopes) = fields.end(name.zip(scopes))?;
    let (key, secret) = app.service.partners.create_key(&caller, &partner, NewKey { name, scopes }).await?;
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

pub async fn keys(app: Arc<App>, request: Request, _: Caller) -> Result<Response> {
    let keys = app.service.partners.keys(request.id("id")?).await?;
    let views: Vec<_> = keys.iter().map(|key| ApiKeyView::new(key, None)).collect();
    // They are few, and shown at once.
    let total = views.len() as u64;
    let paging = Paging { skip: 0, limit: KEYS_MAX as u32, total, shown: views.len() };
    Ok(response::with_total(response::json(200, &listed(&views, paging)), total))
}

pub async fn revoke_key(app: Arc<App>, request: Request, caller: Caller) -> Result<Response> {
    let (id, key_id) = (request.id("id")?, request.id("key_id")?);
    let key = app.service.partners.revoke_key(&caller, id, key_id).await?;
    Ok(response::json(200, &enveloped(&ApiKeyView::new(&key, None))))
}
