"""Reads every table of a platform through SQLAlchemy 2, with what each row refers to.

Run by ModelTests: FILE (as `daybook catalog --sqlalchemy` wrote it), URL of the PostgreSQL, the platform's name.
"""

import importlib.util
import sys

from sqlalchemy import create_engine, func, inspect, select
from sqlalchemy.orm import Session, configure_mappers

path, url, platform = sys.argv[1:4]
spec = importlib.util.spec_from_file_location("generated", path)
generated = importlib.util.module_from_spec(spec)
sys.modules["generated"] = generated
spec.loader.exec_module(generated)
configure_mappers()
engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://").replace("postgres://", "postgresql+psycopg://"))
classes = [mapper.class_ for mapper in generated.Base.registry.mappers]
assert len(classes) > 4
with Session(engine) as session:
    rows = followed = 0
    for cls in classes:
        for row in session.scalars(select(cls).limit(5)):
            rows += 1
            for relationship in inspect(cls).relationships:
                value = getattr(row, relationship.key)
                if relationship.uselist:
                    continue
                key = next(iter(relationship.local_columns))
                held = getattr(row, inspect(cls).get_property_by_column(key).key)
                assert (value is None) == (held is None), f"{cls.__name__}.{relationship.key} leads nowhere"
                followed += value is not None
    assert rows > 10 and followed > 10, (rows, followed)
    if platform == "django_etl":
        counts = session.execute(
            select(generated.Pipeline.name, func.count(generated.PipelineRun.id))
            .join(generated.PipelineRun.pipeline).where(generated.PipelineRun.status == "success")
            .group_by(generated.Pipeline.name)
        ).all()
        assert counts and all(count > 0 for _, count in counts)
        pipeline = session.scalars(select(generated.Pipeline).join(generated.Pipeline.pipeline_runs)).first()
        assert pipeline.pipeline_runs[0].pipeline is pipeline
print("done")
