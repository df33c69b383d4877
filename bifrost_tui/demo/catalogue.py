"""What customers of the story have, by what they use, and who works for them.

In a value, ``$slug``, ``$domain``, ``$name`` and ``$city`` stand for the customer's own.
"""

from __future__ import annotations

from typing import NamedTuple

from bifrost_tui.store.values import ConfigType

STRING, INT, BOOL, JSON, SECRET, REFERENCE = (
    ConfigType.STRING,
    ConfigType.INT,
    ConfigType.BOOL,
    ConfigType.JSON,
    ConfigType.SECRET,
    ConfigType.SECRET_REF,
)

# What a secret's value looks like: its value here is never written down, only what makes it.
TOKEN = "token"  # noqa: S105  the name of a kind
PASSWORD = "password"  # noqa: S105  the name of a kind
LINES = "lines"
LONG = "long"


class Entry(NamedTuple):
    """One config: for a secret, ``value`` is the kind of value that is made for it.

    ``every`` is its rotation period in days. In a kit, the kit's integration stands for its own.
    """

    key: str
    type: ConfigType
    value: str
    description: str = ""
    every: int | None = None
    integration: str | None = None


class Kit(NamedTuple):
    """Configs that a customer who uses something has together."""

    integration: str | None
    entries: tuple[Entry, ...]


class Worker(NamedTuple):
    """Somebody who works for the provider, and from where."""

    name: str
    sources: tuple[str, ...]


WORKERS = (
    Worker("alice", ("10.1.4.12", "local")),
    Worker("bob", ("10.1.4.7", "10.1.4.7", "192.0.2.61")),
    Worker("carol", ("10.1.4.31", "2001:db8:7::2e")),
)

KITS = {
    "office": Kit(
        None,
        (
            Entry("company_name", STRING, "$name"),
            Entry("company_city", STRING, "$city", "As it stands on invoices and tickets."),
            Entry("support_tier", STRING, "gold", "gold answers in 1 h, silver in 4 h."),
            Entry("support_email", STRING, "it@$domain", "Where ticket updates go."),
            Entry("business_hours", JSON, '{"mon-fri":"08:00-18:00","sat":"09:00-13:00"}'),
            Entry("asset_tag_prefix", STRING, "$slug", "Printed on every device."),
            Entry("onboarding_done", BOOL, "true"),
            Entry("contract_seats", INT, "48", "Seats that the contract covers."),
        ),
    ),
    "graph": Kit(
        "Microsoft Graph",
        (
            Entry("graph_tenant", STRING, "$slug.onmicrosoft.example"),
            Entry("graph_client_id", STRING, "app-$slug-automation"),
            Entry("graph_client_secret", SECRET, TOKEN, "Reads mailboxes and adds users.", 180),
            Entry("graph_licence_sku", STRING, "BUSINESS_PREMIUM", "Given to every new user."),
            Entry("graph_page_size", INT, "100"),
            Entry("graph_sync_enabled", BOOL, "true", "Users are synchronised every night."),
        ),
    ),
    "stripe": Kit(
        "Stripe",
        (
            Entry("stripe_account", STRING, "acct_$slug"),
            Entry("stripe_api_key", SECRET, TOKEN, "Charges cards for the booking site.", 90),
            Entry("stripe_currency", STRING, "eur"),
            Entry("stripe_retry_policy", JSON, '{"attempts":3,"backoff_seconds":[5,30,120]}'),
            Entry("stripe_webhook_secret", SECRET, TOKEN, "Signs what Stripe posts to us.", 90),
        ),
    ),
    "sendgrid": Kit(
        "SendGrid",
        (
            Entry("sendgrid_daily_limit", INT, "5000"),
            Entry("sendgrid_key", SECRET, TOKEN, "Sends reminders and receipts.", 180),
            Entry("sendgrid_sender", STRING, "no-reply@$domain"),
            Entry("sendgrid_templates", JSON, '{"receipt":"d-1f4c","reminder":"d-88a0"}'),
        ),
    ),
    "twilio": Kit(
        "Twilio",
        (
            Entry("twilio_account", STRING, "$slug-voice"),
            Entry("twilio_auth_token", SECRET, TOKEN, "Text messages to customers.", 180),
            Entry("twilio_number", STRING, "+15550100"),
            Entry("twilio_quiet_hours", JSON, '{"from":"20:00","to":"08:00"}'),
        ),
    ),
    "slack": Kit(
        "Slack",
        (
            Entry("slack_alerts_enabled", BOOL, "true"),
            Entry("slack_bot_token", SECRET, TOKEN, "Posts alerts into the channel.", 365),
            Entry("slack_channel", STRING, "#it-$slug"),
        ),
    ),
    "openai": Kit(
        "OpenAI",
        (
            Entry("openai_api_key", SECRET, TOKEN, "Sorts incoming tickets.", 90),
            Entry("openai_model", STRING, "small", "The cheapest model that sorts well."),
            Entry("openai_monthly_budget", INT, "40", "In euros; the workflow stops at it."),
        ),
    ),
    "backup": Kit(
        "HTTP request",
        (
            Entry("backup_api_token", SECRET, TOKEN, "Asks the backup service for its state.", 180),
            Entry("backup_bucket", STRING, "backup-$slug"),
            Entry("backup_passphrase", SECRET, PASSWORD, "Encrypts backups before they leave."),
            Entry("backup_retention_days", INT, "90"),
            Entry("backup_verify", BOOL, "true", "Restores one file a week, to see that it works."),
        ),
    ),
    "network": Kit(
        None,
        (
            Entry("firewall_admin_password", SECRET, PASSWORD, "The firewall at the office.", 180),
            Entry("firewall_host", STRING, "fw.$domain"),
            Entry("office_networks", JSON, '["192.0.2.0/25","198.51.100.0/26"]'),
            Entry("vpn_gateway", STRING, "vpn.$domain"),
            Entry("vpn_shared_key", SECRET, PASSWORD, "", 365),
            Entry("wifi_guest_password", SECRET, PASSWORD, "On the sign at the front desk.", 365),
        ),
    ),
    "website": Kit(
        "HTTP request",
        (
            Entry("deploy_key", SECRET, LINES, "Lets the build server publish the site."),
            Entry("health_check_url", STRING, "https://www.$domain/health"),
            Entry("maintenance_mode", BOOL, "false"),
            Entry("site_admin_password", SECRET, PASSWORD, "", 365),
            Entry("site_timeout_seconds", INT, "15"),
            Entry("site_url", STRING, "https://www.$domain"),
        ),
    ),
    "accounting": Kit(
        "HTTP request",
        (
            Entry("ledger_api_token", SECRET, TOKEN, "Books invoices.", 180),
            Entry("ledger_cost_centre", STRING, "4711"),
            Entry("ledger_url", STRING, "https://ledger.$domain/api"),
            Entry("ledger_vat_rates", JSON, '{"reduced":7,"standard":19}'),
        ),
    ),
}
