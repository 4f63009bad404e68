"""Installations as operators build them: several nodes behind the shipped proxy, several Redis, a plain machine."""
