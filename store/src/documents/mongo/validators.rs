//! JSON schemas of the collections that others may write to as well. They keep nonsense out, and let the shapes of the
//! original system pass.

use mongodb::bson::{Document, doc};

/// What documents of the collection must look like; `None` where only nodes write.
pub(super) fn validator(collection: &str) -> Option<Document> {
    let (required, properties) = match collection {
        "users" => (vec!["email"], users()),
        "assets" => (vec!["user_id", "file_name", "file_type", "file_size", "s3_key", "upload_status"], assets()),
        "fingerprints" => (vec!["asset_id", "user_id", "fingerprint_type"], fingerprints()),
        "wallet" => (vec!["user_id"], wallet()),
        "analytics" => (vec!["user_id"], analytics()),
        _ => return None,
    };
    Some(doc! { "$jsonSchema": { "bsonType": "object", "required": required, "properties": properties } })
}

/// An ObjectId; text in the original.
fn id() -> Document {
    doc! { "bsonType": ["objectId", "string"] }
}

fn id_or_null() -> Document {
    doc! { "bsonType": ["objectId", "string", "null"] }
}

/// A date; text in the original.
fn date() -> Document {
    doc! { "bsonType": ["date", "string", "null"] }
}

fn text(length_max: i32) -> Document {
    doc! { "bsonType": ["string", "null"], "maxLength": length_max }
}

fn count() -> Document {
    doc! { "bsonType": ["int", "long", "double"], "minimum": 0 }
}

/// Decimal128; a double or text in the original.
fn money() -> Document {
    doc! { "bsonType": ["decimal", "double", "int", "long", "string"] }
}

/// 0 to `maximum`, or unknown.
fn score(maximum: i32) -> Document {
    doc! { "bsonType": ["double", "int", "long", "decimal", "null"], "minimum": 0, "maximum": maximum }
}

fn users() -> Document {
    doc! {
        "_id": id(),
        "email": { "bsonType": "string", "minLength": 3, "maxLength": 320 },
        "auth0_id": text(255),
        "hashed_password": text(255),
        "username": text(50),
        "full_name": text(100),
        "bio": text(500),
        "profile_image_url": text(2_048),
        "followers_count": count(),
        "total_views": count(),
        "content_hours": count(),
        "role": { "enum": ["user", "creator", "moderator", "admin"] },
        "is_active": { "bsonType": "bool" },
        "is_verified": { "bsonType": "bool" },
        "metadata": { "bsonType": ["object", "null"] },
        "created_at": date(),
        "updated_at": date(),
        "last_login": date(),
    }
}

fn assets() -> Document {
    doc! {
        "_id": id(),
        "user_id": id(),
        "file_name": { "bsonType": "string", "minLength": 1, "maxLength": 255 },
        "file_type": { "enum": ["text", "image", "audio", "video", "url"] },
        // how large is too large, the configuration says
        "file_size": count(),
        "mime_type": text(255),
        "s3_key": { "bsonType": "string", "minLength": 1, "maxLength": 1_024 },
        "s3_bucket": text(63),
        "upload_status": { "enum": ["queued", "uploading", "processing", "ready", "failed", "processing_failed"] },
        "processing_status": { "enum": ["pending", "processing", "completed", "failed", null] },
        "fingerprint_id": id_or_null(),
        "error_message": text(1_000),
        "url_source": text(2_048),
        "ai_touch_score": score(100),
        "metadata": { "bsonType": ["object", "null"] },
        "created_at": date(),
        "updated_at": date(),
    }
}

fn fingerprints() -> Document {
    doc! {
        "_id": id(),
        "asset_id": id(),
        "user_id": id(),
        "fingerprint_type": { "enum": ["text", "image", "audio", "video", "url"] },
        "processing_status": { "enum": ["pending", "processing", "completed", "failed", null] },
        "error_message": text(1_000),
        "created_at": date(),
        "updated_at": date(),
    }
}

fn wallet() -> Document {
    doc! {
        "_id": id(),
        "user_id": id(),
        "balance": money(),
        "pending_earnings": money(),
        "total_earned": money(),
        "total_paid_out": money(),
        "currency": { "enum": ["USD", "EUR", "GBP", "CAD", "AUD", "JPY", "CHF"] },
        "transactions": { "bsonType": ["array", "null"] },
        "created_at": date(),
        "updated_at": date(),
    }
}

fn analytics() -> Document {
    doc! {
        "_id": id(),
        "user_id": id(),
        "asset_id": id_or_null(),
        "model_earnings": money(),
        "calculated_value": money(),
        "training_contribution_score": score(100),
        "usage_exposure_score": score(100),
        "status": { "enum": ["pending", "settled", "cancelled", null] },
        "timestamp": date(),
        "created_at": date(),
        "expires_at": date(),
    }
}
