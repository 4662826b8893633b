"""Positions in tables and records: columns called latitude and longitude that hold such numbers."""

from __future__ import annotations

import csv
import re

_WORD = r"(?:[\w.:]{0,40}[_.: ])?(?:gps|geo)?[_.: ]?"
_LATITUDE = re.compile(rf"(?i){_WORD}lat(?:itude)?\Z")
_LONGITUDE = re.compile(rf"(?i){_WORD}(?:lon|lng|longitude)\Z")
_VALUE = re.compile(
    r"\"([\w.: ]{3,60})\"\s{0,9}:\s{0,9}\"?\s?(-?\d{1,3}(?:\.\d{1,20})?)\s?\"?\s{0,9}[,}\n]"
)
_GEOJSON = re.compile(
    r"\"type\"\s{0,9}:\s{0,9}\"(?:Multi)?(?:Point|LineString|Polygon)\"[^{}]{0,200}?"
    r"\"coordinates\"\s{0,9}:\s{0,9}[\[\s]{1,30}(-?\d{1,3}\.\d{2,20})\s{0,9},"
    r"\s{0,9}(-?\d{1,2}\.\d{2,20})\s{0,9}[,\]]"
)


def _is_position(latitude: float, longitude: float) -> bool:
    """Numbers that may be one, finer than whole degrees, and not 0, 0."""
    inside = 0 < abs(latitude) <= 90 and 0 < abs(longitude) <= 180
    return inside and not (latitude.is_integer() and longitude.is_integer())


def columns_of(text: str) -> str | None:
    """What the columns or keys of a table in JSON, JSON lines or CSV are called that hold
    positions; None if there are none."""
    if any(_is_position(float(m[2]), float(m[1])) for m in _GEOJSON.finditer(text)):
        return "coordinates (GeoJSON)"
    north = east = None
    for match in _VALUE.finditer(text):
        if _LATITUDE.match(match[1]):
            north = match
        elif _LONGITUDE.match(match[1]):
            east = match
        if north and east and abs(north.start() - east.start()) < 2000:
            if _is_position(float(north[2]), float(east[2])):
                return f"{north[1]}, {east[1]}"
            north = east = None
    return _in_csv(text)


def _in_csv(text: str) -> str | None:
    lines = text.lstrip("\ufeff").splitlines()[:2000]
    for mark in (",", ";", "\t") if lines else ():
        names = lines[0].split(mark)
        names = [name.strip().strip('"') for name in names]
        north = next((n for n, name in enumerate(names) if _LATITUDE.match(name)), None)
        east = next((n for n, name in enumerate(names) if _LONGITUDE.match(name)), None)
        if north is None or east is None:
            continue
        try:
            for row in csv.reader(lines[1:], delimiter=mark):
                if len(row) > max(north, east) and _numbers(row[north], row[east]):
                    return f"{names[north]}, {names[east]}"
        except csv.Error:
            return None
    return None


def _numbers(latitude: str, longitude: str) -> bool:
    try:
        return _is_position(float(latitude), float(longitude))
    except ValueError:
        return False
