"""Loads the rows of every platform's views into the schema that the platform's document prints, constraints and all.

literal_schemas.py DOCUMENTS URL: a line of JSON for each table, with the rows, those that it took, and the constraints
that the others break; then `done`. The documents are told by what they describe, whatever their files are called.
"""

import ast
import json
import os
import re
import sys
import tempfile

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

MARKS = {
    "etl_builder": "ETL/ELT Builder Platform",
    "django_etl": "AbstractUser",
    "data_aggregator": "Data Aggregator Platform",
    "mecapy": "MecaPy",
    "etlab": "ETLab Database Schema",
}


def documents(folder):
    """The text of each platform's document."""
    found = {}
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            text = file.read()
        for platform, mark in MARKS.items():
            if mark in text:
                found[platform] = text
    missing = set(MARKS) - set(found)
    assert not missing, f"no document of {missing} is in {folder}"
    return found


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def remark(cursor, table, column, text):
    """Keeps what a document says beside a column, where its list of words may be."""
    cursor.execute(
        sql.SQL("COMMENT ON COLUMN {} IS {}").format(sql.Identifier(table, column), sql.Literal(text.strip())))


# Each of these makes the tables of one document in the schema that comes first in the search path.


def printed_sql(text, cursor):
    """000: the statements as they stand; only TimescaleDB's partitions are left out."""
    for block in blocks(text, "sql"):
        if "CREATE TABLE" not in block:
            continue
        for statement in re.sub(r"--[^\n]*", "", block).split(";"):
            if statement.strip() and "create_hypertable" not in statement:
                cursor.execute(statement)
        for table, body in re.findall(r"CREATE TABLE (\w+) \((.*?)\n\);", block, re.S):
            for column, said in re.findall(r"^ +(\w+) [A-Z][^\n]*?-- ([^\n]*)", body, re.M):
                remark(cursor, table, column, said)


def markdown_tables(text):
    """The heading, the columns (name, type, constraints, description) and the section of each markdown table."""
    for section in re.split(r"^### ", text, flags=re.M)[1:]:
        heading = section.split("\n", 1)[0].strip()
        rows = []
        for line in section.split("\n"):
            cells = [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
            if line.startswith("|") and len(cells) == 4 and cells[0] != "Column" and not cells[0].startswith("-"):
                rows.append(cells)
        if rows and re.fullmatch(r"\w+", heading):
            yield heading, rows, section


def constraints(text):
    """NOT NULL, UNIQUE, DEFAULT and PRIMARY KEY as a cell says them."""
    said = [word for word in ("PRIMARY KEY", "UNIQUE", "NOT NULL") if word in text]
    default = re.search(r"DEFAULT ('[^']*'|\w+)", text)
    return " ".join(said + ([default.group(0)] if default else []))


def aggregator(text, cursor):
    """002: the tables of the page; a reference is FK(table.column)."""
    cursor.execute("CREATE TABLE alert_escalation_policies (id INTEGER PRIMARY KEY)")
    keys = []
    for table, rows, section in markdown_tables(text):
        columns = []
        for name, kind, said, _ in rows:
            kind = re.sub(r"ARRAY\((\w+)\)", r"\1[]", kind)
            columns.append(f"{name} {kind} {constraints(said)}")
            reference = re.search(r"FK\((\w+)\.(\w+)\)", said)
            if reference:
                keys.append((table, name, *reference.groups()))
        for together in re.findall(r"Unique Constraint\*\*: `\(([^)]*)\)`", section):
            columns.append(f"UNIQUE ({together})")
        cursor.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
        for name, _, _, said in rows:
            remark(cursor, table, name, said)
    for table, name, target, column in keys:
        cursor.execute(f"ALTER TABLE {table} ADD FOREIGN KEY ({name}) REFERENCES {target} ({column})")


ETLAB_TARGETS = {
    "owner_id": "users", "user_id": "users", "workspace_id": "workspaces", "page_id": "pages",
    "connection_id": "spark_connections", "dag_definition_id": "dag_definitions",
}


def etlab(text, cursor):
    """004: the tables of the page; an ENUM has the words that the section lists with a dash and a description."""
    keys = []
    roles = None
    for heading, rows, section in markdown_tables(text):
        table = re.sub(r"(?<!^)(?=[A-Z])", "_", heading).lower()
        table += "" if table.endswith("history") else "s"
        words = re.findall(r"^- `(\w+)` - ", section, re.M) or roles
        roles = roles or (words if table == "workspace_members" else None)
        columns = []
        for name, kind, said, _ in rows:
            if kind == "ENUM":
                kind = f"{table}_{name}"
                listed = ", ".join(f"'{word}'" for word in words)
                cursor.execute(f"CREATE TYPE {kind} AS ENUM ({listed})")
            columns.append(f"{name} {kind} {constraints(said)}")
            if "FOREIGN KEY" in said:
                keys.append((table, name, ETLAB_TARGETS[name]))
        for together in re.findall(r"Unique Constraint:\*\* `\(([^)]*)\)`", section):
            columns.append(f"UNIQUE ({together})")
        cursor.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
    for table, name, target in keys:
        cursor.execute(f"ALTER TABLE {table} ADD FOREIGN KEY ({name}) REFERENCES {target} (id)")


def filled(said):
    """The DEFAULT of what a Field is told: a constant, the entry of an enum, or what is made anew."""
    default = said.get("default")
    if "default_factory" in said:
        return " DEFAULT now()"
    if isinstance(default, ast.Attribute):
        return f" DEFAULT '{default.attr.lower()}'"
    if default is None or default.value is None:
        return ""
    return f" DEFAULT '{default.value}'"


def mecapy(text, cursor):
    """003: the SQLModel classes, as SQLModel makes tables of them; an enum by its values, which the views compare.

    What Pydantic fills and checks (default, ge) is the column's DEFAULT and CHECK.
    """
    kinds = {"int": "INTEGER", "str": "VARCHAR", "float": "DOUBLE PRECISION", "bool": "BOOLEAN", "datetime": "TIMESTAMP"}
    classes = []
    for title, block in re.findall(r"#### Table[^`\n]*`(\w+)`\n+```python\n(.*?)```", text, re.S) + [
        ("tools", re.search(r"### Outils scientifiques.*?```python\n(.*?)```", text, re.S).group(1))
    ]:
        for node in ast.parse(block).body:
            if isinstance(node, ast.ClassDef) and any(getattr(base, "id", "") == "Enum" for base in node.bases):
                listed = ", ".join(f"'{entry.value.value}'" for entry in node.body if isinstance(entry, ast.Assign))
                cursor.execute(f"CREATE TYPE {node.name.lower()} AS ENUM ({listed})")
                kinds[node.name] = node.name.lower()
            elif isinstance(node, ast.ClassDef):
                classes.append((title, node))
    made = set()
    for table, node in classes:
        if table in made:
            continue
        made.add(table)
        columns, primary = [], []
        for entry in node.body:
            if not isinstance(entry, ast.AnnAssign) or getattr(entry.value.func, "id", "") != "Field":
                continue
            said = {word.arg: word.value for word in entry.value.keywords}
            inner, null = entry.annotation, ""
            if isinstance(inner, ast.Subscript):
                inner = inner.slice
            else:
                null = " NOT NULL"
            kind = kinds[inner.id]
            if "max_length" in said:
                kind += f"({said['max_length'].value})"
            name = entry.target.id
            column = f"{name} {kind}{null}{filled(said)}"
            if "ge" in said:
                column += f" CHECK ({name} >= {said['ge'].value})"
            if "primary_key" in said:
                primary.append(name)
            if "unique" in said:
                column += " UNIQUE"
            if "foreign_key" in said:
                target, key = said["foreign_key"].value.split(".")
                column += f" REFERENCES {target} ({key})"
            columns.append(column)
        columns.append(f"PRIMARY KEY ({', '.join(primary)})")
        cursor.execute(f"CREATE TABLE {table} ({', '.join(columns)})")


def django_etl(text, url, schema):
    """001: the models, by Django's own migration; the table between users and organizations is named, not printed."""
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(f"{folder}/printed")
        with open(f"{folder}/printed/__init__.py", "w", encoding="utf-8"):
            pass
        printed = [block for block in blocks(text, "python") if not block.lstrip().startswith("class Meta")]
        between = (
            "class OrganizationMembership(models.Model):\n"
            "    id = models.UUIDField(primary_key=True, default=uuid.uuid4)\n"
            "    user = models.ForeignKey(User, on_delete=models.CASCADE)\n"
            "    organization = models.ForeignKey(Organization, on_delete=models.CASCADE)\n"
            "    class Meta:\n"
            "        db_table = 'organization_memberships'\n"
        )
        with open(f"{folder}/printed/models.py", "w", encoding="utf-8") as file:
            file.write("\n".join(["import json", *printed, between]))
        sys.path.insert(0, folder)
        import django
        from django.conf import settings

        place = conninfo_to_dict(url)
        settings.configure(
            INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "printed"],
            AUTH_USER_MODEL="printed.User", USE_TZ=True,
            DATABASES={"default": {
                "ENGINE": "django.db.backends.postgresql", "NAME": place.get("dbname", ""),
                "USER": place.get("user", ""), "PASSWORD": place.get("password", ""), "HOST": place.get("host", ""),
                "PORT": str(place.get("port", "")), "OPTIONS": {"options": f"-c search_path={schema}"},
            }},
        )
        django.setup()
        from django.apps import apps
        from django.db import connection

        with connection.schema_editor() as editor:
            for app in ("contenttypes", "auth", "printed"):
                for model in apps.get_app_config(app).get_models():
                    editor.create_model(model)
        connection.close()


def order(cursor, schema):
    """The tables of a schema, each after those that it refers to."""
    cursor.execute(
        "SELECT c.relname, c.oid FROM pg_class AS c WHERE c.relnamespace = %s::regnamespace AND c.relkind = 'r'",
        [schema])
    tables = dict(cursor.fetchall())
    cursor.execute(
        "SELECT r.conrelid::oid, r.confrelid::oid FROM pg_constraint AS r"
        " WHERE r.contype = 'f' AND r.connamespace = %s::regnamespace", [schema])
    needs = {}
    for table, target in cursor.fetchall():
        if table != target:
            needs.setdefault(table, set()).add(target)
    sorted_, left = [], dict(tables)
    while left:
        free = [name for name, oid in left.items() if not needs.get(oid, set()) & set(left.values())]
        assert free, f"{sorted(left)} refer to each other"
        for name in sorted(free):
            sorted_.append(name)
            del left[name]
    return sorted_


def load(cursor, platform, schema, table):
    """Copies a view's rows into the table, one by one where not all are taken."""
    cursor.execute(
        "SELECT a.attname, format_type(a.atttypid, a.atttypmod), t.typtype FROM pg_attribute AS a"
        " JOIN pg_type AS t ON t.oid = a.atttypid WHERE a.attrelid = %s::regclass AND a.attnum > 0"
        " AND NOT a.attisdropped ORDER BY a.attnum", [f"{schema}.{table}"])
    wanted = cursor.fetchall()
    cursor.execute(
        "SELECT a.attname FROM pg_attribute AS a WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0",
        [f"{platform}.{table}"])
    there = {row[0] for row in cursor.fetchall()}
    if not there:
        return None
    names = [(name, kind, sort) for name, kind, sort in wanted if name in there]
    missing = [name for name, _, _ in wanted if name not in there]
    assert not missing, f"{platform}.{table} has no column {missing}"
    # Words and JSON are cast, as an application's library does; lengths never, since a cast cuts what is too long.
    chosen = sql.SQL(", ").join(
        sql.SQL("{}::text::{}").format(sql.Identifier(name), sql.SQL(kind)) if sort == "e" or kind in ("json", "jsonb")
        else sql.Identifier(name) for name, kind, sort in names)
    into = sql.SQL(", ").join(sql.Identifier(name) for name, _, _ in names)
    target, source = sql.Identifier(schema, table), sql.Identifier(platform, table)
    cursor.execute("DROP TABLE IF EXISTS pg_temp.numbered_rows")
    cursor.execute(sql.SQL(
        "CREATE TEMP TABLE numbered_rows AS SELECT row_number() OVER (ORDER BY {}) AS row_of_the_view, s.* FROM {} AS s"
    ).format(sql.SQL("created_at" if "created_at" in there else "1"), source))
    insert = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM numbered_rows").format(target, into, chosen)
    cursor.execute("SELECT count(*) FROM numbered_rows")
    rows = cursor.fetchone()[0]
    broken = {}
    try:
        with cursor.connection.transaction():
            cursor.execute(insert)
    except psycopg.Error:
        for number in range(1, rows + 1):
            try:
                with cursor.connection.transaction():
                    cursor.execute(insert + sql.SQL(" WHERE row_of_the_view = {}").format(number))
            except psycopg.Error as error:
                place = error.diag
                columns = [place.column_name] if place.column_name else []
                if place.constraint_name:
                    with cursor.connection.cursor() as other:
                        other.execute(
                            "SELECT a.attname FROM pg_constraint AS r JOIN pg_attribute AS a"
                            " ON a.attrelid = r.conrelid AND a.attnum = ANY (r.conkey)"
                            " WHERE r.conname = %s AND r.connamespace = %s::regnamespace"
                            " AND r.conrelid = %s::regclass", [place.constraint_name, schema, f"{schema}.{table}"])
                        columns = [row[0] for row in other.fetchall()]
                what = place.constraint_name or place.message_primary
                entry = broken.setdefault(what, {"columns": columns, "rows": 0, "example": place.message_detail or ""})
                entry["rows"] += 1
    cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(target))
    return {"platform": platform, "table": table, "rows": rows, "loaded": cursor.fetchone()[0], "broken": broken}


def schemas(texts, url, cursor):
    """Makes the tables of each document, in a schema that comes first in the search path until the next one is made."""
    for platform, text in texts.items():
        schema = f"printed_{platform}"
        cursor.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        cursor.execute(sql.SQL("SET search_path TO {}, public").format(sql.Identifier(schema)))
        if platform == "django_etl":
            django_etl(text, url, schema)
        else:
            {"etl_builder": printed_sql, "data_aggregator": aggregator, "mecapy": mecapy, "etlab": etlab}[platform](
                text, cursor)
        yield platform, schema


def main():
    folder, url = sys.argv[1], sys.argv[2]
    texts = documents(folder)
    with psycopg.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("SET TIME ZONE 'UTC'")
        for platform, schema in schemas(texts, url, cursor):
            for table in order(cursor, schema):
                told = load(cursor, platform, schema, table)
                if told is None:
                    # Django's own, which no document prints.
                    assert platform == "django_etl", f"{platform}.{table} is not there"
                    continue
                print(json.dumps(told))
    print("done")


if __name__ == "__main__":
    main()
