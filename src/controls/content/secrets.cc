#include "controls/content/secrets.h"

#include <algorithm>

#include "controls/content/secret_checks.h"

namespace tollgate::content {

namespace {

using enum Alphabet;

constexpr Run kNone{};
constexpr Run exactly(Alphabet alphabet, std::uint16_t count) { return {alphabet, count, count}; }
constexpr Run between(Alphabet alphabet, std::uint16_t least, std::uint16_t most) {
  return {alphabet, least, most};
}

// A token: its prefix, and what follows.
constexpr Secret token(std::string_view rule, std::string_view anchor, Run after,
                       bool (*check)(const Parts&) = is_random) {
  return {rule, anchor, kNone, after, check, Gap::kNone};
}
// One whose fixed part stands in its middle.
constexpr Secret around(std::string_view rule, Run before, std::string_view anchor, Run after,
                        bool (*check)(const Parts&) = is_random) {
  return {rule, anchor, before, after, check, Gap::kNone};
}
// One without a prefix of its own, by the name of the variable that vendors' manuals give it.
constexpr Secret assigned(std::string_view rule, std::string_view anchor, Run value) {
  return {rule, anchor, kNone, value, is_random, Gap::kAssigned};
}
// A block of PEM (RFC 7468) or of OpenPGP (RFC 9580), by its first line.
constexpr Secret block(std::string_view rule, std::string_view anchor) {
  return {rule, anchor, kNone, between(kBase64, 32, 0xFFFF), is_key_line, Gap::kLineBreak};
}

constexpr Secret kSecrets[] = {
    // Private keys: RFC 7468, RFC 5958; OpenSSH PROTOCOL.key; RFC 9580; "age v1" (C2SP).
    block("secrets.private_key", "-----BEGIN PRIVATE KEY-----"),
    block("secrets.private_key", "-----BEGIN ENCRYPTED PRIVATE KEY-----"),
    block("secrets.rsa_private_key", "-----BEGIN RSA PRIVATE KEY-----"),
    block("secrets.ec_private_key", "-----BEGIN EC PRIVATE KEY-----"),
    block("secrets.dsa_private_key", "-----BEGIN DSA PRIVATE KEY-----"),
    block("secrets.openssh_private_key", "-----BEGIN OPENSSH PRIVATE KEY-----"),
    block("secrets.pgp_private_key", "-----BEGIN PGP PRIVATE KEY BLOCK-----"),
    token("secrets.age_secret_key", "AGE-SECRET-KEY-1", exactly(kUpper, 58), is_age_key),
    // RFC 7519: three parts of base64url, the first two JSON objects.
    token("secrets.json_web_token", "eyJ", between(kUrlDots, 60, 11'264), is_json_web_token),
    // This gateway's own.
    token("secrets.tollgate_api_key", "tg_live_", exactly(kAlnum, 50), is_tollgate_key),

    // AWS: "IAM identifiers" (unique ID prefixes); "Generate Amazon Bedrock API keys".
    token("secrets.aws_access_key", "AKIA", exactly(kBase32, 16)),
    token("secrets.aws_temporary_access_key", "ASIA", exactly(kBase32, 16)),
    token("secrets.aws_bedrock_key", "ABSK", between(kBase64, 109, 269)),
    assigned("secrets.aws_secret_access_key", "aws_secret_access_key", exactly(kBase64, 40)),
    assigned("secrets.aws_secret_access_key", "SecretAccessKey", exactly(kBase64, 40)),
    // Google Cloud: "Authenticate by using API keys"; "OAuth 2.0"; "Token types".
    token("secrets.google_api_key", "AIza", exactly(kUrl, 35)),
    token("secrets.google_oauth_client_secret", "GOCSPX-", exactly(kUrl, 28)),
    token("secrets.google_oauth_access_token", "ya29.", between(kUrl, 40, 1024)),
    // Azure: "Storage account keys", "Connection strings", "Microsoft Entra client secret".
    assigned("secrets.azure_storage_key", "AccountKey", exactly(kBase64, 86)),
    assigned("secrets.azure_shared_access_key", "SharedAccessKey", exactly(kBase64, 43)),
    around("secrets.azure_client_secret", exactly(kClientSecret, 4), "Q~",
           between(kClientSecret, 31, 34), is_azure_client_secret),
    around("secrets.azure_ai_key", exactly(kAlnum, 52), "JQQJ99", exactly(kAlnum, 26)),
    around("secrets.azure_devops_token", exactly(kAlnum, 76), "AZDO", exactly(kAlnum, 4),
           is_random_before),
    assigned("secrets.azure_openai_key", "AZURE_OPENAI_API_KEY", exactly(kHex, 32)),
    // Other clouds: each vendor's "API tokens" page.
    token("secrets.digitalocean_access_token", "dop_v1_", exactly(kHex, 64)),
    token("secrets.digitalocean_oauth_token", "doo_v1_", exactly(kHex, 64)),
    token("secrets.digitalocean_refresh_token", "dor_v1_", exactly(kHex, 64)),
    token("secrets.alibaba_access_key", "LTAI", between(kAlnum, 16, 20)),
    token("secrets.tencent_secret_id", "AKID", exactly(kAlnum, 32)),
    token("secrets.heroku_api_key", "HRKU-AA", exactly(kUrl, 58)),
    token("secrets.flyio_token", "fo1_", exactly(kUrl, 43)),
    token("secrets.netlify_token", "nfp_", exactly(kAlnum, 36)),
    token("secrets.render_api_key", "rnd_", exactly(kAlnum, 32)),
    token("secrets.supabase_token", "sbp_", exactly(kHex, 40)),
    token("secrets.planetscale_token", "pscale_tkn_", between(kUrlDots, 32, 64)),
    token("secrets.planetscale_password", "pscale_pw_", between(kUrlDots, 32, 64)),
    token("secrets.cloudflare_origin_ca_key", "v1.0-", exactly(kHexDashes, 171)),
    assigned("secrets.cloudflare_api_token", "CLOUDFLARE_API_TOKEN", exactly(kUrl, 40)),
    token("secrets.yandex_api_key", "AQVN", between(kUrl, 35, 38)),

    // GitHub: "Behind GitHub's new authentication token formats" (a CRC-32 in base 62 ends them).
    token("secrets.github_personal_token", "ghp_", exactly(kAlnum, 36), ends_in_crc),
    token("secrets.github_oauth_token", "gho_", exactly(kAlnum, 36), ends_in_crc),
    token("secrets.github_user_token", "ghu_", exactly(kAlnum, 36), ends_in_crc),
    token("secrets.github_server_token", "ghs_", exactly(kAlnum, 36), ends_in_crc),
    token("secrets.github_refresh_token", "ghr_", between(kAlnum, 36, 76), ends_in_crc),
    token("secrets.github_fine_grained_token", "github_pat_", exactly(kUrl, 82),
          is_fine_grained_token),
    // GitLab: "GitLab token overview", token prefixes.
    token("secrets.gitlab_personal_token", "glpat-", between(kUrlDots, 20, 300)),
    token("secrets.gitlab_deploy_token", "gldt-", between(kUrl, 20, 300)),
    token("secrets.gitlab_runner_token", "glrt-", between(kUrlDots, 20, 300)),
    token("secrets.gitlab_job_token", "glcbt-", between(kUrlDots, 20, 300)),
    token("secrets.gitlab_trigger_token", "glptt-", exactly(kHex, 40)),
    token("secrets.gitlab_feed_token", "glft-", between(kUrl, 20, 300)),
    token("secrets.gitlab_mail_token", "glimt-", between(kUrl, 25, 300)),
    token("secrets.gitlab_agent_token", "glagent-", between(kUrl, 50, 1024)),
    token("secrets.gitlab_oauth_secret", "gloas-", exactly(kHex, 64)),
    token("secrets.gitlab_scim_token", "glsoat-", between(kUrl, 20, 300)),
    // Where code and packages are kept, built and watched: each vendor's page on access tokens.
    token("secrets.atlassian_api_token", "ATATT3", between(kUrlEquals, 180, 250)),
    token("secrets.bitbucket_access_token", "ATCTT3", between(kUrlEquals, 180, 250)),
    token("secrets.npm_token", "npm_", exactly(kAlnum, 36), ends_in_crc),
    token("secrets.pypi_token", "pypi-AgEIcHlwaS5vcmc", between(kUrl, 50, 1024)),
    token("secrets.test_pypi_token", "pypi-AgENdGVzdC5weXBpLm9yZw", between(kUrl, 50, 1024)),
    token("secrets.rubygems_key", "rubygems_", exactly(kHex, 48)),
    token("secrets.crates_token", "cio", exactly(kAlnum, 32), is_mixed),
    token("secrets.clojars_token", "CLOJARS_", exactly(kLower, 60)),
    token("secrets.docker_personal_token", "dckr_pat_", exactly(kUrl, 27)),
    token("secrets.docker_organization_token", "dckr_oat_", exactly(kUrl, 32)),
    token("secrets.artifactory_api_key", "AKCp", exactly(kAlnum, 69)),
    token("secrets.artifactory_reference_token", "cmVmdGtu", exactly(kAlnum, 56)),
    token("secrets.sonarqube_user_token", "squ_", exactly(kHex, 40)),
    token("secrets.sonarqube_project_token", "sqp_", exactly(kHex, 40)),
    token("secrets.sonarqube_global_token", "sqa_", exactly(kHex, 40)),
    token("secrets.buildkite_token", "bkua_", exactly(kHex, 40)),
    around("secrets.terraform_cloud_token", exactly(kAlnum, 14), ".atlasv1.",
           between(kUrl, 60, 70)),
    token("secrets.pulumi_token", "pul-", exactly(kHex, 40)),
    token("secrets.prefect_key", "pnu_", exactly(kAlnum, 36)),
    token("secrets.vault_service_token", "hvs.", between(kUrl, 90, 200)),
    token("secrets.vault_batch_token", "hvb.", between(kUrl, 138, 400)),
    token("secrets.doppler_personal_token", "dp.pt.", exactly(kAlnum, 43)),
    token("secrets.doppler_cli_token", "dp.ct.", exactly(kAlnum, 43)),
    token("secrets.doppler_service_account_token", "dp.sa.", exactly(kAlnum, 43)),
    token("secrets.databricks_token", "dapi", exactly(kHex, 32)),
    token("secrets.grafana_cloud_token", "glc_", between(kBase64, 60, 400)),
    token("secrets.grafana_service_token", "glsa_", exactly(kUrl, 41), is_grafana_token),
    token("secrets.newrelic_user_key", "NRAK-", exactly(kUpper, 27)),
    token("secrets.newrelic_insert_key", "NRII-", exactly(kUrl, 32)),
    token("secrets.sentry_user_token", "sntryu_", exactly(kHex, 64)),
    token("secrets.sentry_organization_token", "sntrys_eyJ", between(kBase64AndUrl, 80, 600)),
    token("secrets.openshift_token", "sha256~", exactly(kUrl, 43)),
    token("secrets.postman_key", "PMAK-", exactly(kHexDashes, 59)),
    assigned("secrets.datadog_api_key", "DD_API_KEY", exactly(kHex, 32)),
    assigned("secrets.datadog_app_key", "DD_APP_KEY", exactly(kHex, 40)),
    token("secrets.tailscale_auth_key", "tskey-auth-", between(kWordDashes, 40, 80)),
    token("secrets.tailscale_api_key", "tskey-api-", between(kWordDashes, 40, 80)),

    // Models: each vendor's page on API keys. OpenAI's all hold its name in base64.
    around("secrets.openai_key", exactly(kAlnum, 20), "T3BlbkFJ", exactly(kAlnum, 20)),
    token("secrets.openai_project_key", "sk-proj-", between(kUrl, 48, 200), is_openai_key),
    token("secrets.openai_service_key", "sk-svcacct-", between(kUrl, 48, 200), is_openai_key),
    token("secrets.openai_admin_key", "sk-admin-", between(kUrl, 48, 200), is_openai_key),
    token("secrets.anthropic_api_key", "sk-ant-api03-", exactly(kUrl, 95), ends_in_aa),
    token("secrets.anthropic_admin_key", "sk-ant-admin01-", exactly(kUrl, 95), ends_in_aa),
    token("secrets.anthropic_oauth_token", "sk-ant-oat01-", exactly(kUrl, 95), ends_in_aa),
    token("secrets.openrouter_key", "sk-or-v1-", exactly(kHex, 64)),
    token("secrets.huggingface_token", "hf_", exactly(kLetters, 34), is_mixed_case),
    token("secrets.huggingface_organization_token", "api_org_", exactly(kLetters, 34),
          is_mixed_case),
    token("secrets.replicate_token", "r8_", exactly(kAlnum, 37)),
    token("secrets.groq_key", "gsk_", exactly(kAlnum, 52)),
    token("secrets.xai_key", "xai-", exactly(kAlnum, 80)),
    token("secrets.perplexity_key", "pplx-", exactly(kAlnum, 48)),
    token("secrets.cerebras_key", "csk-", exactly(kLower, 48)),
    token("secrets.nvidia_key", "nvapi-", exactly(kUrl, 64)),
    token("secrets.langsmith_personal_token", "lsv2_pt_", exactly(kHexUnderscore, 43)),
    token("secrets.langsmith_service_key", "lsv2_sk_", exactly(kHexUnderscore, 43)),
    token("secrets.llamacloud_key", "llx-", exactly(kAlnum, 48)),
    token("secrets.e2b_key", "e2b_", exactly(kHex, 40)),
    token("secrets.elevenlabs_key", "sk_", exactly(kHex, 48)),
    assigned("secrets.mistral_key", "MISTRAL_API_KEY", exactly(kAlnum, 32)),
    assigned("secrets.cohere_key", "COHERE_API_KEY", exactly(kAlnum, 40)),
    assigned("secrets.together_key", "TOGETHER_API_KEY", exactly(kHex, 64)),
    assigned("secrets.wandb_key", "WANDB_API_KEY", exactly(kHex, 40)),

    // Money: "API keys" of Stripe, Square, Shopify, Razorpay, Flutterwave, Duffel, EasyPost.
    token("secrets.stripe_secret_key", "sk_live_", between(kAlnum, 24, 247)),
    token("secrets.stripe_test_key", "sk_test_", between(kAlnum, 24, 247)),
    token("secrets.stripe_restricted_key", "rk_live_", between(kAlnum, 24, 247)),
    token("secrets.stripe_webhook_secret", "whsec_", between(kAlnum, 32, 64)),
    token("secrets.square_access_token", "sq0atp-", exactly(kUrl, 22)),
    token("secrets.square_oauth_secret", "sq0csp-", exactly(kUrl, 43)),
    token("secrets.shopify_access_token", "shpat_", exactly(kHex, 32)),
    token("secrets.shopify_custom_app_token", "shpca_", exactly(kHex, 32)),
    token("secrets.shopify_private_app_password", "shppa_", exactly(kHex, 32)),
    token("secrets.shopify_shared_secret", "shpss_", exactly(kHex, 32)),
    token("secrets.duffel_token", "duffel_live_", exactly(kUrl, 43)),
    token("secrets.easypost_key", "EZAK", exactly(kAlnum, 54)),
    token("secrets.shippo_token", "shippo_live_", exactly(kHex, 40)),
    // Messages and mail: Slack's "Token types", SendGrid, Mailgun, Brevo, Mailchimp, Telegram,
    // Twilio.
    token("secrets.slack_bot_token", "xoxb-", between(kWordDashes, 40, 80), is_slack_token),
    token("secrets.slack_user_token", "xoxp-", between(kWordDashes, 50, 100), is_slack_token),
    token("secrets.slack_app_token", "xapp-", between(kWordDashes, 60, 120), is_slack_token),
    token("secrets.slack_webhook", "hooks.slack.com/services/T", between(kBase64, 40, 50)),
    token("secrets.sendgrid_key", "SG.", exactly(kUrlDots, 66), is_sendgrid_key),
    token("secrets.mailgun_key", "key-", exactly(kHex, 32)),
    token("secrets.brevo_key", "xkeysib-", exactly(kLowerDashes, 81)),
    around("secrets.mailchimp_key", exactly(kHex, 32), "-us", between(kDigits, 1, 2),
           is_random_before),
    around("secrets.telegram_bot_token", between(kDigits, 8, 10), ":AA", exactly(kUrl, 33)),
    assigned("secrets.twilio_auth_token", "TWILIO_AUTH_TOKEN", exactly(kHex, 32)),
    // Documents and the rest: each vendor's page on access tokens.
    token("secrets.notion_token", "ntn_", exactly(kAlnum, 46)),
    token("secrets.linear_key", "lin_api_", exactly(kAlnum, 40)),
    token("secrets.figma_token", "figd_", exactly(kUrl, 40)),
    token("secrets.contentful_token", "CFPAT-", exactly(kUrl, 43)),
    token("secrets.typeform_token", "tfp_", between(kUrl, 40, 59)),
    token("secrets.readme_key", "rdme_", exactly(kLower, 70)),
    token("secrets.adafruit_key", "aio_", exactly(kAlnum, 28)),
    token("secrets.frameio_token", "fio-u-", exactly(kUrl, 64)),
};

}  // namespace

std::span<const Secret> secrets() { return kSecrets; }

std::size_t secret_kinds() {
  std::size_t kinds = 0;
  for (std::size_t i = 0; i < std::size(kSecrets); ++i) {
    if (i == 0 || kSecrets[i].rule != kSecrets[i - 1].rule) ++kinds;
  }
  return kinds;
}

std::size_t shortest_secret() {
  static const std::size_t shortest = [] {
    std::size_t least = kSecrets[0].anchor.size() + kSecrets[0].after.least;
    for (const Secret& secret : kSecrets) {
      least = std::min<std::size_t>(
          least, secret.before.least + secret.anchor.size() + secret.after.least);
    }
    return least;
  }();
  return shortest;
}

}  // namespace tollgate::content
