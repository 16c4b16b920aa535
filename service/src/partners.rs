//! Partners, the money they pay in, and their API keys. For administrators.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::try_join_all;
use metastamp_actors::wallet::{Answered, Wallets};
use metastamp_protocol::ledger::{Balances, ClientKey, LedgerAnswer, Order, OrderKey, OrderKind, Row};
use metastamp_protocol::money::AmountError;
use metastamp_protocol::partner::{ApiKey, Partner, Scope};
use metastamp_protocol::{Amount, Currency, ObjectId, Timestamp};
use metastamp_store::StoreError;
use metastamp_store::Stores;

use crate::Deps;
use crate::accounts::api_keys;
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::money::{Decided, refused};

/// Characters of the name of a partner or a key.
pub const NAME_CHARS: std::ops::RangeInclusive<usize> = 1..=100;
/// Keys of one partner, the revoked ones too.
pub const KEYS_MAX: usize = 100;
/// How often a change is tried when others change the same partner.
const CHANGE_TRIES: u32 = 3;

/// All about partners. Cheap to clone.
#[derive(Clone)]
pub struct Partners {
    stores: Stores,
    wallets: Wallets,
}

/// A partner, with what its wallet holds.
#[derive(Debug, Clone)]
pub struct Account {
    pub partner: Partner,
    pub balances: BTreeMap<Currency, Balances>,
}

#[derive(Debug, Clone)]
pub struct NewPartner {
    pub name: String,
    pub credit_limits: BTreeMap<Currency, Amount>,
}

/// What is to change; the rest stays as it is. Limits are replaced as a whole.
#[derive(Debug, Clone)]
pub struct Changes {
    pub name: Option<String>,
    pub credit_limits: Option<BTreeMap<Currency, Amount>>,
    pub is_active: Option<bool>,
}

/// Money that came in.
#[derive(Debug, Clone)]
pub struct Deposit {
    pub amount: Amount,
    pub currency: Currency,
    pub description: String,
}

/// A deposit that is in the journal.
#[derive(Debug, Clone)]
pub struct Deposited {
    pub row: Row,
    /// It was there before.
    pub repeat: bool,
}

#[derive(Debug, Clone)]
pub struct NewKey {
    pub name: String,
    /// In their order, each once.
    pub scopes: Vec<Scope>,
}

/// # Errors
/// What is wrong with a credit limit.
pub fn judge_limit(limit: Amount) -> std::result::Result<(), AmountError> {
    if limit.is_negative() { Err(AmountError::Negative) } else { Ok(()) }
}

/// # Errors
/// What is wrong with the amount of a deposit.
pub fn judge_deposit(amount: Amount) -> std::result::Result<(), AmountError> {
    if amount <= Amount::ZERO { Err(AmountError::Zero) } else { Ok(()) }
}

impl Partners {
    pub fn new(deps: &Deps) -> Self {
        Self { stores: deps.stores.clone(), wallets: deps.actors.wallets.clone() }
    }

    /// # Errors
    /// 404 when there is no such partner.
    pub async fn find(&self, id: ObjectId) -> Result<Partner> {
        self.stores.partners.partner(id).await?.ok_or_else(|| Error::not_found("Partner"))
    }

    /// # Errors
    /// 404 when there is no such partner.
    pub async fn account(&self, id: ObjectId) -> Result<Account> {
        self.with_balances(self.find(id).await?).await
    }

    async fn with_balances(&self, partner: Partner) -> Result<Account> {
        let head = self.stores.ledger.head(partner.id).await?;
        Ok(Account { partner, balances: head.map(|row| row.balances).unwrap_or_default() })
    }

    /// One page, by name, and how many there are.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn list(&self, skip: u64, limit: u32) -> Result<(Vec<Account>, u64)> {
        let (partners, total) = self.stores.partners.partners(skip, limit).await?;
        let accounts = try_join_all(partners.into_iter().map(|partner| self.with_balances(partner))).await?;
        Ok((accounts, total))
    }

    /// # Errors
    /// 422 for a name that is taken.
    pub async fn create(&self, caller: &Caller, new: NewPartner) -> Result<Account> {
        caller.require_admin()?;
        let NewPartner { name, credit_limits } = new;
        let (id, now) = (ObjectId::generate(), Timestamp::now());
        let partner = Partner { id, name, credit_limits, is_active: true, created_at: now, updated_at: now };
        self.stores.partners.insert_partner(&partner).await.map_err(name_taken)?;
        tracing::info!(partner = %id, by = %caller.user.id, "partner created");
        self.with_balances(partner).await
    }

    /// Makes changes, on top of whatever others have changed.
    ///
    /// # Errors
    /// 404 when there is no such partner, 422 for a name that is taken, 503 when others were faster each time.
    pub async fn change(&self, caller: &Caller, id: ObjectId, changes: &Changes) -> Result<Account> {
        caller.require_admin()?;
        let partner = self.changed(id, changes).await?;
        tracing::info!(partner = %partner.id, by = %caller.user.id, "partner changed");
        self.with_balances(partner).await
    }

    async fn changed(&self, id: ObjectId, changes: &Changes) -> Result<Partner> {
        for left in (0..CHANGE_TRIES).rev() {
            let mut partner = self.find(id).await?;
            let seen = partner.updated_at;
            partner.name = changes.name.clone().unwrap_or(partner.name);
            partner.credit_limits = changes.credit_limits.clone().unwrap_or(partner.credit_limits);
            partner.is_active = changes.is_active.unwrap_or(partner.is_active);
            // Later in any case: two changes of one millisecond are told apart by it.
            partner.updated_at = Timestamp::now().max(seen.plus(Duration::from_millis(1)));
            match self.stores.partners.save_partner(&partner, seen).await {
                Err(StoreError::Fenced { .. }) if left > 0 => {}
                saved => return saved.map(|()| partner).map_err(name_taken),
            }
        }
        Err(Error::busy())
    }

    /// Books money that came in.
    ///
    /// # Errors
    /// 422 when the key was used for another deposit.
    pub async fn deposit(
        &self,
        caller: &Caller,
        partner: &Partner,
        key: ClientKey,
        deposit: Deposit,
    ) -> Result<Decided<Deposited>> {
        caller.require_admin()?;
        let Deposit { amount, currency, description } = deposit;
        judge_deposit(amount).map_err(|error| Error::field("amount", error.to_string()))?;
        let order = Order {
            wallet_id: partner.id,
            key: OrderKey::Deposit(key).into(),
            asked_by: caller.user.id,
            kind: OrderKind::Deposit { amount, currency, description },
        };
        let Answered { answer, owner } = self.wallets.order(order).await?;
        let deposited = match answer {
            LedgerAnswer::Committed { row, repeat } => Ok(Deposited { row: *row, repeat }),
            LedgerAnswer::Refused(refusal) => Err(refused(refusal, currency)),
        };
        Decided::by(Some(owner), deposited)
    }

    /// A key, and its secret, which nobody can tell again.
    ///
    /// # Errors
    /// 422 when the partner has as many as it may have.
    pub async fn create_key(&self, caller: &Caller, partner: &Partner, new: NewKey) -> Result<(ApiKey, String)> {
        caller.require_admin()?;
        let NewKey { name, scopes } = new;
        if self.stores.partners.api_keys(partner.id).await?.len() >= KEYS_MAX {
            return Err(Error::field("name", format!("would be that of more than {KEYS_MAX} keys")));
        }
        let (id, created_at) = (ObjectId::generate(), Timestamp::now());
        let (secret, secret_hash) = api_keys::generate(id);
        let key = ApiKey { id, partner_id: partner.id, name, scopes, secret_hash, created_at, revoked_at: None };
        self.stores.partners.insert_api_key(&key).await?;
        tracing::info!(partner = %partner.id, key = %id, by = %caller.user.id, "API key created");
        Ok((key, secret))
    }

    /// All keys of a partner, oldest first.
    ///
    /// # Errors
    /// 404 when there is no such partner.
    pub async fn keys(&self, id: ObjectId) -> Result<Vec<ApiKey>> {
        let partner = self.find(id).await?;
        Ok(self.stores.partners.api_keys(partner.id).await?)
    }

    /// Final.
    ///
    /// # Errors
    /// 404 when there is no such partner, or it has no such key.
    pub async fn revoke_key(&self, caller: &Caller, id: ObjectId, key_id: ObjectId) -> Result<ApiKey> {
        caller.require_admin()?;
        let partner = self.find(id).await?;
        self.stores.partners.revoke_api_key(partner.id, key_id, Timestamp::now()).await?;
        tracing::info!(partner = %partner.id, key = %key_id, by = %caller.user.id, "API key revoked");
        let key = self.stores.partners.api_keys(partner.id).await?.into_iter().find(|key| key.id == key_id);
        key.ok_or_else(|| Error::not_found("API key"))
    }
}

fn name_taken(error: StoreError) -> Error {
    match error {
        StoreError::Conflict { .. } => Error::field("name", "is taken by another partner"),
        error => error.into(),
    }
}
