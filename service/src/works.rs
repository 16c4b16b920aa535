//! Works: what somebody has given us, listed, looked at with its fingerprint, and deleted.

mod fingerprints;
mod picture_links;
mod pictures;

use metastamp_actors::System;
use metastamp_protocol::files::picture_key;
use metastamp_protocol::{Asset, AssetQuery, ErrorCode, Fingerprint, ObjectId, Timestamp};
use metastamp_store::Stores;
use metastamp_store::cache::SharedCache;
use metastamp_store::objects::Objects;
use metastamp_store::ports::{AssetPage, DeletedAsset};

pub use self::fingerprints::FingerprintDetail;
use self::picture_links::PictureLinks;
pub use self::pictures::PictureFile;
use crate::Deps;
use crate::error::{Error, Result};
use crate::removal::Removal;

#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether fingerprints are made on this installation.
    pub fingerprinting: bool,
    /// Signs the addresses of pictures; the same on every node.
    pub link_secret: String,
}

pub struct Works {
    stores: Stores,
    cache: SharedCache,
    objects: Objects,
    actors: System,
    removal: Removal,
    links: PictureLinks,
    fingerprinting: bool,
}

/// A work with its fingerprint.
#[derive(Debug, Clone)]
pub struct Detail {
    pub asset: Asset,
    pub fingerprint: Option<Fingerprint>,
}

/// What a deletion removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deleted {
    pub asset_id: ObjectId,
    /// False when the object store failed: the sweeper tries again.
    pub object: bool,
    pub fingerprint: bool,
    /// How many calculations.
    pub analytics: u64,
}

impl Works {
    pub fn new(deps: &Deps, settings: Settings) -> Self {
        Self {
            stores: deps.stores.clone(),
            cache: deps.cache.clone(),
            objects: deps.objects.clone(),
            actors: deps.actors.clone(),
            removal: Removal::new(deps),
            links: PictureLinks::new(&settings.link_secret),
            fingerprinting: settings.fingerprinting,
        }
    }

    /// A work of this user.
    ///
    /// # Errors
    /// 404 when there is no such work, 403 when it belongs to someone else.
    pub async fn owned(&self, user_id: ObjectId, id: ObjectId) -> Result<Asset> {
        let asset = self.any(id).await?;
        if asset.user_id != user_id {
            return Err(Error::new(ErrorCode::Forbidden, "This asset belongs to someone else"));
        }
        Ok(asset)
    }

    /// A work, whoever it belongs to.
    async fn any(&self, id: ObjectId) -> Result<Asset> {
        self.stores.works.asset(id).await?.ok_or_else(|| Error::not_found("Asset"))
    }

    pub async fn list(&self, user_id: ObjectId, query: AssetQuery) -> Result<AssetPage> {
        Ok(self.stores.works.assets(user_id, query).await?)
    }

    /// # Errors
    /// As [`Works::owned`].
    pub async fn detail(&self, user_id: ObjectId, id: ObjectId) -> Result<Detail> {
        let asset = self.owned(user_id, id).await?;
        let fingerprint = self.stores.works.fingerprint_of(id).await?;
        Ok(Detail { asset, fingerprint })
    }

    /// Removes the rows at once, then stops the job and removes the objects. What can't be removed now is garbage that
    /// the sweeper removes.
    ///
    /// # Errors
    /// As [`Works::owned`].
    pub async fn delete(&self, user_id: ObjectId, id: ObjectId) -> Result<Deleted> {
        let Detail { asset, fingerprint } = self.detail(user_id, id).await?;
        let deleted = self.stores.works.delete_asset(asset.id, Timestamp::now()).await?;
        let DeletedAsset { asset, fingerprint_removed, analytics_removed } =
            deleted.ok_or_else(|| Error::not_found("Asset"))?;
        if let Some(fingerprint) = fingerprint {
            self.actors.cancel_job(fingerprint.id);
        }
        let object = self.remove_objects(&asset).await;
        Ok(Deleted { asset_id: asset.id, object, fingerprint: fingerprint_removed, analytics: analytics_removed })
    }

    /// Removes the object and its pictures; tells whether the object is gone.
    async fn remove_objects(&self, asset: &Asset) -> bool {
        let keys = asset.pictures.iter().map(|picture| picture_key(&asset.s3_key, picture));
        let pictures = futures_util::future::join_all(keys.map(async |key| self.removal.object(&key).await));
        tokio::join!(self.removal.object(&asset.s3_key), pictures).0
    }
}

#[cfg(test)]
mod tests;
