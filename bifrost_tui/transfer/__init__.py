"""Configs as they travel: portable and encrypted bundles, dotenv, a Bifrost platform's data."""
