//! `couronne usage` and `couronne quota`.

use couronne_admin::endpoints as at;
use couronne_admin::types::{Holdings, Quota, Usage};

use super::{CommandError, find_server, print_json};
use crate::cli::{QuotaArguments, QuotaCommand, QuotaSetArguments, UsageArguments};
use crate::terminal::say;

/// An account and what it holds.
#[derive(serde::Serialize)]
struct AccountUsage {
    account: String,
    #[serde(flatten)]
    usage: Usage,
}

/// `couronne usage ...`.
pub(crate) async fn usage(arguments: UsageArguments) -> Result<(), CommandError> {
    let UsageArguments { account, bucket, user, output } = arguments;
    let client = find_server(&output.server)?;
    let usage = match (account, user, bucket) {
        (_, _, Some(bucket)) => client.call(at::GetBucketUsage { bucket }).await?,
        (Some(account), Some(user), None) => client.call(at::GetUserUsage { account, user }).await?,
        (Some(account), None, None) => client.call(at::GetAccountUsage { account }).await?,
        (None, _, None) => {
            let mut all = Vec::new();
            for account in client.call(at::ListAccounts {}).await? {
                let usage = client.call(at::GetAccountUsage { account: account.name.clone() }).await?;
                all.push(AccountUsage { account: account.name, usage });
            }
            if output.json {
                return print_json(&all);
            }
            all.iter().for_each(|of| say(&format!("{}: {}", of.account, told(&of.usage.total))));
            return Ok(());
        }
    };
    if output.json {
        return print_json(&usage);
    }
    say_usage(&usage);
    Ok(())
}

/// `couronne quota ...`.
pub(crate) async fn quota(command: QuotaCommand) -> Result<(), CommandError> {
    match command {
        QuotaCommand::Set(QuotaSetArguments { of: QuotaArguments { bucket, output }, bytes, objects }) => {
            let (client, quota) = (find_server(&output.server)?, Quota { bytes, objects });
            client.send(at::SetBucketQuota { bucket: bucket.clone() }, &quota).await?;
            if !output.json {
                say(&format!("bucket {bucket} may hold {}", bounds(&quota)));
            }
        }
        QuotaCommand::Show(QuotaArguments { bucket, output }) => {
            let usage = find_server(&output.server)?.call(at::GetBucketUsage { bucket: bucket.clone() }).await?;
            if output.json {
                return print_json(&usage.quota);
            }
            match &usage.quota {
                Some(quota) => say(&format!("bucket {bucket} may hold {}", bounds(quota))),
                None => say(&format!("bucket {bucket} has no quota")),
            }
            say(&format!("it holds {}", told(&usage.total)));
        }
        QuotaCommand::Remove(QuotaArguments { bucket, output }) => {
            find_server(&output.server)?.call(at::RemoveBucketQuota { bucket: bucket.clone() }).await?;
            if !output.json {
                say(&format!("bucket {bucket} has no quota any more"));
            }
        }
    }
    Ok(())
}

fn say_usage(usage: &Usage) {
    say(&told(&usage.total));
    for class in &usage.classes {
        say(&format!("  {}: {}", class.class, told(&class.held)));
    }
    if let Some(quota) = &usage.quota {
        say(&format!("quota {}", bounds(quota)));
    }
}

fn told(held: &Holdings) -> String {
    let Holdings { objects, noncurrent_versions, delete_markers, bytes, parts, part_bytes } = held;
    format!(
        "{objects} objects, {noncurrent_versions} older versions, {bytes} bytes; {delete_markers} delete markers; \
         {parts} parts of open uploads, {part_bytes} bytes"
    )
}

fn bounds(quota: &Quota) -> String {
    let bytes = quota.bytes.map(|bytes| format!("{bytes} bytes"));
    let objects = quota.objects.map(|objects| format!("{objects} objects"));
    [bytes, objects].into_iter().flatten().collect::<Vec<_>>().join(" and ")
}
