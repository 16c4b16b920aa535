//! What a bucket must be before it is used: there, open to browsers, and closed to everybody else.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{BucketLocationConstraint, CorsConfiguration, CorsRule, CreateBucketConfiguration};
use serde_json::{Value, json};

use super::client::Objects;
use super::error::{status, store_error};
use super::observe::observe;
use crate::error::{Result, StoreError};

/// Names our statement among others of a policy.
const STATEMENT: &str = "MetastampPublicRead";
/// What anybody may read.
const PUBLIC_PREFIX: &str = "public/";
/// What browsers do with presigned URLs.
const METHODS: [&str; 3] = ["GET", "HEAD", "PUT"];
/// How long a browser remembers what it may do.
const MAX_AGE_S: i32 = 3_600;

/// What became of a setting of the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// It was so already.
    Kept,
    Set,
    /// This server has no such setting.
    Unsupported,
}

impl Objects {
    /// Makes the bucket unless it is there; several processes may do so at once.
    pub async fn ensure_bucket(&self) -> Result<()> {
        observe("ensure_bucket", async {
            match self.head_bucket().await {
                Err(StoreError::NotFound { .. }) => {}
                found => return found,
            }
            // us-east-1 is the one region that must not be named, and only AWS insists on a name
            let elsewhere = self.inner.aws && self.inner.region != "us-east-1";
            let location = elsewhere.then(|| {
                let region = BucketLocationConstraint::from(self.inner.region.as_str());
                CreateBucketConfiguration::builder().location_constraint(region).build()
            });
            let request = self.inner.client.create_bucket().bucket(self.bucket());
            match request.set_create_bucket_configuration(location).send().await {
                Ok(_) => Ok(()),
                // someone was faster, or the name belongs to a stranger: the next question tells
                Err(error) if status(&error) == Some(409) => self.head_bucket().await,
                Err(error) => Err(store_error(error)),
            }
        })
        .await
    }

    /// Lets pages of `origins` use presigned URLs. Rules of others stay.
    ///
    /// # Errors
    /// `Internal` when the server refuses, for example for want of rights.
    pub async fn ensure_cors(&self, origins: &[String]) -> Result<Setting> {
        observe("ensure_cors", async {
            let present = match self.inner.client.get_bucket_cors().bucket(self.bucket()).send().await {
                Ok(present) => present.cors_rules.unwrap_or_default(),
                Err(error) if is_unsupported(&error) => return Ok(Setting::Unsupported),
                Err(error) if status(&error) == Some(404) => Vec::new(),
                Err(error) => return Err(store_error(error)),
            };
            if present.iter().any(|rule| allows(rule, origins)) {
                return Ok(Setting::Kept);
            }
            let methods = METHODS.into_iter().map(str::to_owned).collect();
            let rule = CorsRule::builder()
                .set_allowed_origins(Some(origins.to_vec()))
                .set_allowed_methods(Some(methods))
                .allowed_headers("*")
                .expose_headers("ETag")
                .max_age_seconds(MAX_AGE_S);
            let rules = present.into_iter().chain([rule.build().map_err(unbuilt)?]).collect();
            let rules = CorsConfiguration::builder().set_cors_rules(Some(rules)).build().map_err(unbuilt)?;
            let put = self.inner.client.put_bucket_cors().bucket(self.bucket()).cors_configuration(rules);
            set(put.send().await)
        })
        .await
    }

    /// Lets anybody read what is under `public/`, and nothing else. Statements of others stay.
    ///
    /// # Errors
    /// `Internal` when the server refuses, for example for want of rights.
    pub async fn ensure_policy(&self) -> Result<Setting> {
        observe("ensure_policy", async {
            let present = match self.inner.client.get_bucket_policy().bucket(self.bucket()).send().await {
                Ok(present) => present.policy,
                Err(error) if is_unsupported(&error) => return Ok(Setting::Unsupported),
                Err(error) if status(&error) == Some(404) => None,
                Err(error) => return Err(store_error(error)),
            };
            let Some(policy) = with_statement(present.as_deref(), self.bucket())? else { return Ok(Setting::Kept) };
            let put = self.inner.client.put_bucket_policy().bucket(self.bucket()).policy(policy);
            set(put.send().await)
        })
        .await
    }
}

fn set<T, E>(sent: std::result::Result<T, SdkError<E, HttpResponse>>) -> Result<Setting>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match sent {
        Ok(_) => Ok(Setting::Set),
        Err(error) if is_unsupported(&error) => Ok(Setting::Unsupported),
        Err(error) => Err(store_error(error)),
    }
}

fn is_unsupported<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    let code = error.as_service_error().and_then(|error| error.code());
    matches!(status(error), Some(405 | 501)) || code == Some("NotImplemented")
}

fn unbuilt(error: impl std::error::Error) -> StoreError {
    StoreError::Internal(format!("bucket setting: {error}"))
}

fn allows(rule: &CorsRule, origins: &[String]) -> bool {
    let has = |all: &[String], one: &str| all.iter().any(|other| other == one);
    origins.iter().all(|origin| has(rule.allowed_origins(), origin))
        && METHODS.iter().all(|method| has(rule.allowed_methods(), method))
        && has(rule.allowed_headers(), "*")
}

/// The policy with our statement; none when it has it already.
fn with_statement(present: Option<&str>, bucket: &str) -> Result<Option<String>> {
    let wrong = || StoreError::Internal("the bucket has a policy that is no list of statements".to_owned());
    let mut policy = match present.filter(|present| !present.is_empty()) {
        Some(present) => serde_json::from_str(present).map_err(|_| wrong())?,
        None => json!({ "Version": "2012-10-17", "Statement": [] }),
    };
    let statements = policy.get_mut("Statement").and_then(Value::as_array_mut).ok_or_else(wrong)?;
    let resource = format!("arn:aws:s3:::{bucket}/{PUBLIC_PREFIX}*");
    // servers keep the words but not always their form
    let has = |statement: &Value| {
        let is = |name: &str, word: &str| match statement.get(name) {
            Some(Value::Array(words)) => *words == [word],
            other => other.and_then(Value::as_str) == Some(word),
        };
        is("Action", "s3:GetObject") && is("Resource", &resource) && is("Effect", "Allow")
    };
    if statements.iter().any(has) {
        return Ok(None);
    }
    statements.push(json!({
        "Sid": STATEMENT,
        "Effect": "Allow",
        "Principal": { "AWS": ["*"] },
        "Action": ["s3:GetObject"],
        "Resource": [resource],
    }));
    Ok(Some(policy.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_gets_our_statement_once_and_keeps_those_of_others() {
        let fresh = with_statement(None, "b").unwrap().unwrap();
        assert!(fresh.contains("arn:aws:s3:::b/public/*"), "{fresh}");
        assert_eq!(with_statement(Some(&fresh), "b").unwrap(), None);
        let plain = fresh.replace("[\"s3:GetObject\"]", "\"s3:GetObject\"");
        assert_eq!(with_statement(Some(&plain), "b").unwrap(), None, "a word for a list of one");
        let other = r#"{"Version":"2012-10-17","Statement":[{"Sid":"Theirs"}]}"#;
        let both = with_statement(Some(other), "b").unwrap().unwrap();
        assert!(both.contains("Theirs") && both.contains(STATEMENT), "{both}");
        for wrong in ["{}", "no", r#"{"Statement":{}}"#] {
            assert!(with_statement(Some(wrong), "b").is_err(), "{wrong}");
        }
    }
}
