-- Generated from schema/lineage_edge.yaml by tools/generate; only the indexes are written by hand.
-- projection: lineage_edges
-- from: lineage_edge
-- summary: What was made from what: between datasets through runs (OpenLineage, columns included) and between task
--   runs (data_lineage of Django ETL: source_task_id and target_task_id).

-- section: tables
CREATE TABLE daybook.lineage_edges (
  id                uuid PRIMARY KEY,
  number            bigint,
  organization_id   uuid,
  source_id         uuid,
  target_id         uuid,
  relationship_type text,
  pipeline_id       uuid,
  run_id            uuid,
  columns           jsonb,
  columns_by_job    jsonb,
  reported_at       timestamptz,
  metadata          jsonb,
  reported_fields   jsonb,
  created_by        uuid,
  created_at        timestamptz,
  updated_at        timestamptz,
  version           bigint,
  deleted_at        timestamptz
);

COMMENT ON TABLE daybook.lineage_edges IS
  'What was made from what: between datasets through runs (OpenLineage, columns included) and between task runs '
  '(data_lineage of Django ETL: source_task_id and target_task_id).';
COMMENT ON COLUMN daybook.lineage_edges.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.lineage_edges.source_id IS 'Refers to dataset or task_run.';
COMMENT ON COLUMN daybook.lineage_edges.target_id IS 'Refers to dataset or task_run.';
COMMENT ON COLUMN daybook.lineage_edges.relationship_type IS 'One of direct, derived, aggregated, filtered.';
COMMENT ON COLUMN daybook.lineage_edges.pipeline_id IS 'The job through which it was seen last. Refers to pipeline.';
COMMENT ON COLUMN daybook.lineage_edges.run_id IS 'The run through which it was seen last. Refers to run.';
COMMENT ON COLUMN daybook.lineage_edges.columns IS
  'Column lineage: [{"source","target","transformations"}], of all jobs together. Without a target it counts for all '
  'columns.';
COMMENT ON COLUMN daybook.lineage_edges.columns_by_job IS
  'Where several jobs reported columns, those of each, by the pipeline''s id; none stands for reports without a job.';
COMMENT ON COLUMN daybook.lineage_edges.reported_at IS 'The latest event time of the reports that showed it.';
COMMENT ON COLUMN daybook.lineage_edges.reported_fields IS
  'For each field that reports decide, the event time of the report that decided it.';
COMMENT ON COLUMN daybook.lineage_edges.created_by IS 'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.lineage_edges.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.lineage_edges.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.lineage_edges.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX lineage_edges_organization_id ON daybook.lineage_edges (organization_id);
CREATE INDEX lineage_edges_source_id ON daybook.lineage_edges (source_id);
CREATE INDEX lineage_edges_target_id ON daybook.lineage_edges (target_id);
CREATE INDEX lineage_edges_pipeline_id ON daybook.lineage_edges (pipeline_id) WHERE pipeline_id IS NOT NULL;
CREATE INDEX lineage_edges_run_id ON daybook.lineage_edges (run_id) WHERE run_id IS NOT NULL;
