"""The integrations that are offered before any is in use."""

from __future__ import annotations

USUAL_INTEGRATIONS = (
    "Anthropic",
    "Azure",
    "AWS",
    "Cloudflare",
    "GitHub",
    "Google",
    "HTTP request",
    "Mailgun",
    "Microsoft Graph",
    "OpenAI",
    "SendGrid",
    "Slack",
    "Stripe",
    "Teams",
    "Twilio",
)
"""Kinds of action that secrets commonly belong to. Any other name will do as well."""
