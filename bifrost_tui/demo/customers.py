"""The story's customers, and global: each of them with what is its own and out of the ordinary."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Never

from bifrost_tui.demo.catalogue import (
    BOOL,
    INT,
    JSON,
    LINES,
    LONG,
    PASSWORD,
    REFERENCE,
    SECRET,
    STRING,
    TOKEN,
    Entry,
)

_NOTHING: Mapping[str, Never] = MappingProxyType({})


class Customer(NamedTuple):
    """One organization: what it uses, and what is out of the ordinary in it.

    ``since`` and ``quiet`` count days back from now: to when it was added and to its last change,
    which was made to ``latest`` by ``by``. ``ages`` says how many days ago a secret was rotated,
    ``same`` names a value that other customers have too.
    """

    name: str
    slug: str
    city: str
    since: int
    quiet: float
    by: str
    latest: str
    kits: tuple[str, ...]
    own: tuple[Entry, ...] = ()
    ages: Mapping[str, int] = _NOTHING
    same: Mapping[str, str] = _NOTHING
    empty: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()


# Longer than a line of a list fetches.
_TAILS = '["' + '","'.join(f"D-EK{number:03}" for number in range(1, 96)) + '"]'

GLOBAL = Customer(
    name="Global",
    slug="msp",
    city="Hamburg",
    since=730,
    quiet=3,
    by="alice",
    latest="ticket_signature",
    kits=(),
    own=(
        Entry("default_timezone", STRING, "Europe/Berlin"),
        Entry("deploy_key", SECRET, LINES, "For sites of customers without a key of their own."),
        Entry("http_retries", INT, "3", "", None, "HTTP request"),
        Entry("http_timeout_seconds", INT, "30", "Where none is set.", None, "HTTP request"),
        Entry("http_user_agent", STRING, "msp-automation/2", "", None, "HTTP request"),
        Entry(
            "incident_api_key",
            REFERENCE,
            "monitoring_api_key",
            "What workflows open incidents with.",
            None,
            "HTTP request",
        ),
        Entry("maintenance_window", JSON, '{"day":"sun","from":"02:00","to":"05:00"}'),
        Entry("monitoring_api_key", SECRET, TOKEN, "Opens incidents.", 365, "HTTP request"),
        Entry("monitoring_url", STRING, "https://status.msp.example/api", "", None, "HTTP request"),
        Entry("openai_api_key", SECRET, TOKEN, "Where a customer has none.", 90, "OpenAI"),
        Entry("openai_model", STRING, "small", "", None, "OpenAI"),
        Entry("sendgrid_key", SECRET, TOKEN, "Where a customer has none.", 180, "SendGrid"),
        Entry("sendgrid_sender", STRING, "no-reply@msp.example", "", None, "SendGrid"),
        Entry("slack_channel", STRING, "#automation", "", None, "Slack"),
        Entry("stripe_webhook_secret", SECRET, TOKEN, "The shared test account.", 365, "Stripe"),
        Entry("ticket_labels", JSON, '["onboarding","offboarding","incident","request"]'),
        Entry("ticket_signature", STRING, "Your IT team\n+1 555 0100\nMonday to Friday, 8 to 18"),
        Entry("ticket_url", STRING, "https://desk.msp.example/api/v3"),
        Entry("vpn_shared_key", SECRET, PASSWORD, "The provider's own tunnel.", 365),
    ),
    ages={"stripe_webhook_secret": 200},
)

CUSTOMERS = (
    Customer(
        name="Acme Dental",
        slug="acmedental",
        city="Lübeck",
        since=690,
        quiet=0.09,
        by="bob",
        latest="booking_url",
        kits=("office", "graph", "stripe", "sendgrid", "twilio", "backup", "website"),
        own=(
            Entry("billing_api_key", REFERENCE, "stripe_api_key", "", None, "Stripe"),
            Entry("booking_calendars", JSON, '["hygiene","orthodontics","surgery"]'),
            Entry("booking_url", STRING, "https://book.$domain"),
            Entry("insurer_certificate", SECRET, LINES, "Signs claims.", 365),
            Entry("old_ftp_password", SECRET, PASSWORD, "Until the laboratory moves.", 180),
            Entry(
                "payment_processor_key",
                REFERENCE,
                "stripe_api_key",
                "What the booking site's workflows charge with.",
                None,
                "Stripe",
            ),
            Entry("practice_api_token", SECRET, TOKEN, "Reads the practice's calendar.", 90),
            Entry("recall_interval_days", INT, "180", "When patients are reminded."),
            Entry("xray_archive_password", SECRET, PASSWORD, "Ask the practice for it.", 365),
        ),
        ages={
            "old_ftp_password": 246,
            "sendgrid_key": 204,
            "stripe_api_key": 12,
            "stripe_webhook_secret": 97,
        },
        empty=("xray_archive_password",),
    ),
    Customer(
        name="Bright Logistics",
        slug="brightlogistics",
        city="Bremen",
        since=655,
        quiet=5,
        by="alice",
        latest="fleet_regions",
        kits=("office", "graph", "stripe", "slack", "backup", "network"),
        own=(
            Entry("customs_api_token", SECRET, TOKEN, "Files declarations.", 90, "HTTP request"),
            Entry("customs_sandbox", BOOL, "false", "", None, "HTTP request"),
            Entry("fleet_api_url", STRING, "https://fleet.$domain/v1"),
            Entry("fleet_regions", JSON, '["north","harbour","airport"]'),
            Entry("fleet_signing_key", SECRET, LINES, "Signs positions of lorries."),
        ),
        same={"stripe_webhook_secret": "shared webhook", "backup_passphrase": "old passphrase"},
    ),
    Customer(
        name="Coastal Realty",
        slug="coastalrealty",
        city="Kiel",
        since=610,
        quiet=43,
        by="carol",
        latest="listing_feeds",
        kits=("office", "graph", "stripe", "sendgrid", "slack", "backup", "network", "website"),
        own=(
            Entry("listing_feed_password", SECRET, PASSWORD, "The portal's upload.", 365),
            Entry("listing_feeds", JSON, '["houses","flats","offices"]'),
            Entry("listing_photos_most", INT, "24"),
            Entry("listing_watermark", BOOL, "true"),
            Entry("notary_mailbox", STRING, "notary@$domain", "", None, "Microsoft Graph"),
        ),
        same={"stripe_webhook_secret": "shared webhook", "backup_passphrase": "old passphrase"},
        damaged=("listing_feed_password",),
    ),
    Customer(
        name="Dune Clinics",
        slug="duneclinics",
        city="Sylt",
        since=560,
        quiet=1,
        by="carol",
        latest="appointment_lead_hours",
        kits=("office", "graph", "twilio", "backup", "network"),
        own=(
            Entry("appointment_lead_hours", INT, "24", "How early patients are reminded."),
            Entry("laboratory_api_token", SECRET, TOKEN, "Fetches findings.", 90, "HTTP request"),
            Entry("laboratory_url", STRING, "https://lab.$domain", "", None, "HTTP request"),
            Entry("patient_portal_key", SECRET, LINES, "", 365),
        ),
        ages={"twilio_auth_token": 180},
    ),
    Customer(
        name="Elm Street Bakery",
        slug="elmstreetbakery",
        city="Celle",
        since=500,
        quiet=26,
        by="bob",
        latest="opening_hours",
        kits=("office", "sendgrid", "website"),
        own=(
            Entry("opening_hours", JSON, '{"mon-sat":"06:00-18:00","sun":"08:00-11:00"}'),
            Entry("newsletter_key", REFERENCE, "sendgrid_key", "", None, "SendGrid"),
            Entry("order_deadline_hour", INT, "17"),
            Entry("till_api_token", SECRET, TOKEN, "Reads the day's takings.", 180),
        ),
    ),
    Customer(
        name="Fjällräv Outdoor",
        slug="fjallrav",
        city="Umeå",
        since=470,
        quiet=9,
        by="bob",
        latest="shop_markets",
        kits=("office", "stripe", "sendgrid", "slack", "openai", "website"),
        own=(
            Entry("shop_greeting", STRING, "Välkommen till fjälls – smörj pjäxorna!"),
            Entry("shop_markets", JSON, '{"sv":"Sverige","no":"Norge","de":"Österreich"}'),
            Entry("shop_token", SECRET, TOKEN, "Changes stock levels.", 90, "HTTP request"),
        ),
    ),
    Customer(
        name="Granite Legal",
        slug="granitelegal",
        city="Hannover",
        since=410,
        quiet=16,
        by="alice",
        latest="court_mailbox",
        kits=("office", "graph", "backup", "network"),
        own=(
            Entry("court_mailbox", STRING, "court@$domain", "", None, "Microsoft Graph"),
            Entry("court_signature_key", SECRET, LINES, "Signs filings.", 365),
            Entry("filing_key", REFERENCE, "court_api_token", "The court has retired its token."),
            Entry("retention_years", INT, "10"),
        ),
    ),
    Customer(
        name="Harbor Hotels",
        slug="harborhotels",
        city="Rostock",
        since=350,
        quiet=0.3,
        by="carol",
        latest="room_sync_enabled",
        kits=("office", "graph", "stripe", "sendgrid", "twilio", "slack", "openai", "network"),
        own=(
            Entry("channel_manager_key", SECRET, TOKEN, "Ask the hotel for it.", 90),
            Entry("door_system_password", SECRET, PASSWORD, "Ask the hotel for it.", 180),
            Entry("room_sync_enabled", BOOL, "true"),
            Entry("room_types", JSON, '{"double":64,"family":12,"single":31,"suite":4}'),
        ),
        empty=("channel_manager_key", "door_system_password"),
    ),
    Customer(
        name="Ivy Lane School",
        slug="ivylane",
        city="Göttingen",
        since=300,
        quiet=33,
        by="alice",
        latest="term_dates",
        kits=("office", "graph", "network"),
        own=(
            Entry("device_limit", INT, "2", "Devices that a pupil may enrol."),
            Entry("library_token", SECRET, TOKEN, "", 365, "HTTP request"),
            Entry("term_dates", JSON, '[["2026-01-12","2026-04-02"],["2026-04-20","2026-07-17"]]'),
        ),
    ),
    Customer(
        name="Juniper Insurance",
        slug="juniperinsurance",
        city="Köln",
        since=240,
        quiet=2,
        by="bob",
        latest="claims_inbox",
        kits=("office", "graph", "sendgrid", "slack", "openai", "backup", "accounting"),
        own=(
            Entry("claims_api_key", SECRET, TOKEN, "Files claims.", 90, "HTTP request"),
            Entry("claims_inbox", STRING, "claims@$domain", "", None, "Microsoft Graph"),
            Entry("claims_limit", INT, "2500", "Euros that are paid out without a second look."),
        ),
    ),
    Customer(
        name="Kestrel Aviation",
        slug="kestrel",
        city="Egelsbach",
        since=150,
        quiet=11,
        by="carol",
        latest="weather_stations",
        kits=("office", "backup", "network", "accounting"),
        own=(
            Entry("tail_numbers", JSON, _TAILS, "Aircraft whose documents are watched."),
            Entry("weather_certificates", SECRET, LONG, "The whole chain, in one.", 365),
            Entry("weather_stations", JSON, '["EDFE","EDFH","EDDF"]', "", None, "HTTP request"),
        ),
    ),
    Customer(
        name="Lakeside Veterinary",
        slug="lakesidevet",
        city="Schwerin",
        since=75,
        quiet=6,
        by="alice",
        latest="vaccine_reminders",
        kits=("office", "twilio", "website"),
        own=(
            Entry("chip_registry_token", SECRET, TOKEN, "Registers chips.", 180, "HTTP request"),
            Entry("vaccine_reminders", BOOL, "true"),
        ),
    ),
)
