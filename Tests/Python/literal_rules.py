"""Prints the rules of the five documents' schemas, made empty in a PostgreSQL: a line of JSON for each column.

literal_rules.py DOCUMENTS URL: of a column its platform, table, name and type; `not_null`, `key` (it is, or is part of,
the primary key), and where the document says so `length`, `least`, `words`, `references` (a table), `default` (a value)
or `is_made` (the default is made anew for each row), and `unique`, the constraints that begin with it. Then `done`.
"""

import json
import re
import sys

import psycopg
from literal_schemas import documents, schemas
from psycopg import sql

COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, NULL), a.attnotnull,
  CASE WHEN a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype) AND a.atttypmod > 0 THEN a.atttypmod - 4 END,
  pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum),
  (SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_enum AS e WHERE e.enumtypid = a.atttypid)
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = %s::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname, a.attnum
"""

CONSTRAINTS = """
SELECT t.relname, r.contype, pg_get_constraintdef(r.oid), f.relname,
  (SELECT array_agg(a.attname::text ORDER BY k.place) FROM unnest(r.conkey) WITH ORDINALITY AS k (number, place)
   JOIN pg_attribute AS a ON a.attrelid = r.conrelid AND a.attnum = k.number)
FROM pg_constraint AS r JOIN pg_class AS t ON t.oid = r.conrelid LEFT JOIN pg_class AS f ON f.oid = r.confrelid
WHERE r.connamespace = %s::regnamespace ORDER BY t.relname, r.conname
"""


def listed(text):
    """The words of a list that is closed, alone or in brackets: one that ends in `etc.` is open."""
    found = re.fullmatch(r"(?:.*\()?(\w+(?:, \w+)+)\)?", text or "")
    return found.group(1).split(", ") if found else None


def default(cursor, expression):
    """The value of a default, or that it is made anew."""
    if re.search(r"\w\(", expression):
        return {"is_made": True}
    cursor.execute(sql.SQL("SELECT to_jsonb({})").format(sql.SQL(expression)))
    return {"default": cursor.fetchone()[0]}


def columns(cursor, platform, schema):
    """The rules of each column of a schema, by table and column."""
    found = {}
    cursor.execute(COLUMNS, [schema])
    for table, name, kind, not_null, length, expression, said, words in cursor.fetchall():
        rule = {"platform": platform, "table": table, "column": name, "type": kind, "not_null": not_null, "key": False}
        if length:
            rule["length"] = length
        if expression:
            rule |= default(cursor, expression)
        words = words or listed(said)
        if words:
            rule["words"] = words
        found[table, name] = rule
    cursor.execute(CONSTRAINTS, [schema])
    for table, kind, text, target, names in cursor.fetchall():
        first = found[table, names[0]]
        if kind == "f":
            first["references"] = target
        elif kind == "u" or kind == "p" and len(names) > 1:
            first.setdefault("unique", []).append(names)
        if kind == "p":
            for name in names:
                found[table, name]["key"] = True
        if kind == "c" and "ARRAY[" in text:
            first["words"] = re.findall(r"'([^']*)'", text)
        elif kind == "c":
            first["least"] = int(re.fullmatch(r"CHECK \(\(\w+ >= \(?(\d+)\)?(?:::[a-z ]+)?\)\)", text).group(1))
    return found


def models(found):
    """What Django checks and fills by itself, of the printed models, whose tables alone stay."""
    from django.apps import apps

    printed = {model._meta.db_table: model for model in apps.get_app_config("printed").get_models()}
    for (table, name), rule in list(found.items()):
        if table not in printed:
            del found[table, name]
            continue
        field = next(field for field in printed[table]._meta.concrete_fields if field.column == name)
        if field.choices:
            rule["words"] = [word for word, _ in field.choices]
        if getattr(field, "auto_now_add", False) or getattr(field, "auto_now", False):
            rule["is_made"] = True
        elif field.has_default():
            value = field.get_default()
            rule |= {"default": value} if isinstance(value, (str, bool, int, float, dict, list)) else {"is_made": True}
        elif field.blank and not field.null and field.empty_strings_allowed:
            rule["default"] = ""


def main():
    folder, url = sys.argv[1], sys.argv[2]
    with psycopg.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        for platform, schema in schemas(documents(folder), url, cursor):
            found = columns(cursor, platform, schema)
            if platform == "django_etl":
                models(found)
            for rule in found.values():
                print(json.dumps(rule))
    print("done")


main()
