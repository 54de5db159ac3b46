import BasicTypes
import CanonicalJSON
import EventLog
import OpenLineage
import OpenLineageTestKit
import TestBasics
import Testing

/// Events that Airflow, dbt, Prefect's adapter and the Python client really sent.
@Suite(.needsSharedData)
struct ClientEventsTests {
  static let files = [
    "01-stale-error-after-success", "02-parentRun-alias", "03-lineage-facet", "04-dataset-event-joins-run",
    "05-symlink", "06-rename", "07-facts-lost", "08-failed-assertion", "airflow-dags-test", "events-run", "ol-direct",
    "prefect-adapter",
  ].map { "clients/\($0).ndjson" }

  private func loaded(_ names: String..., organization: Identifier? = RealEventsTests.organization) throws
    -> MemoryTarget
  {
    try RealEventsTests.loaded(
      try names.flatMap { try RealEvents.read("clients/\($0).ndjson") }, organization: organization)
  }

  private func runs(_ target: MemoryTarget, job: String) throws -> [JSONObject] {
    let pipeline = try #require(target.all("pipeline").first { $0.fields["name"] == .string(job) }, "\(job)")
    return target.all("run").map(\.fields).filter { $0["pipeline_id"] == .string(pipeline.id.text) }
  }

  @Test(arguments: 1...6) func `any order, each once or twice, ends in the same states`(_ seed: Int) throws {
    let events = try Self.files.flatMap(RealEvents.read)
    let expected = try RealEventsTests.loaded(events).summary
    var generator = Seeded(seed: UInt64(seed))
    #expect(try RealEventsTests.loaded(events.shuffled(using: &generator)).summary == expected)
    #expect(try RealEventsTests.loaded((events + events).shuffled(using: &generator)).summary == expected)
  }

  @Test func `a table of Airflow and one of dbt with one name are one dataset`() throws {
    let target = try loaded("airflow-dags-test", "events-run", organization: nil)
    #expect(target.all("organization").count == 1)
    let orders = target.all("dataset").filter { $0.fields["name"] == "shop.public.orders" }
    #expect(orders.count == 1)
    let id = try #require(orders.first).id.text
    let readers = Set(
      target.all("run").filter { run in
        (run.fields["input_dataset_ids"]?.arrayValue ?? []).contains(.string(id))
          || (run.fields["output_dataset_ids"]?.arrayValue ?? []).contains(.string(id))
      }.compactMap { $0.fields["pipeline_id"]?.stringValue })
    let namespaces = Set(
      try readers.map { try target.existing(Identifier($0)).fields["namespace"]?.stringValue ?? "" })
    #expect(namespaces.count == 2, "\(namespaces)")
  }

  @Test func `what a DatasetEvent says is said of the dataset that runs write`() throws {
    let target = try loaded("04-dataset-event-joins-run", organization: nil)
    let datasets = target.all("dataset")
    #expect(datasets.count == 1 && datasets.first?.fields["description"] == "what t4 is")
  }

  @Test func `Airflow's tries, mapped tasks, log links and DAG runs are told apart`() throws {
    let target = try loaded("airflow-dags-test")
    let tries = try runs(target, job: "flaky_load.never").compactMap { $0["context"]?["try_number"]?.integerValue }
    #expect(tries.sorted() == [1, 2])
    let mapped = try runs(target, job: "mapped_files.load")
    #expect(mapped.compactMap { $0["context"]?["map_index"]?.integerValue }.sorted() == [0, 1, 2, 3])
    let failed = try #require(mapped.first { $0["status"] == "failed" })
    #expect(failed["context"]?["rendered_map_index"] == "broken.csv")
    for run in mapped {
      #expect(run["context"]?["log_url"]?.stringValue?.contains("/tasks/load/mapped/") == true)
      #expect(run["dag_id"] == "mapped_files" && run["trigger_type"] == "manual")
      #expect(run["dag_run_id"]?.stringValue?.hasPrefix("manual__") == true)
    }
    let dag = try #require(target.all("pipeline").first { $0.fields["name"] == "sales_daily" }).fields
    #expect(dag["kind"] == "dag" && dag["schedule"] == "0 2 * * *" && dag["is_scheduled"] == true)
    #expect(dag["tags"]?.arrayValue?.contains("tier1:tier1") == true, "\(dag["tags"] ?? nil)")
    let whole = try #require(try runs(target, job: "sales_daily").first)
    #expect(whole["task_states"]?["export_csv"]?["state"] == "success")
    #expect(whole["status"] == "success" && whole["error_message"] == nil)
    #expect(!target.events.filter { $0.event == "run.logged" }.isEmpty)
    for run in target.all("run") where run.fields["status"] == "success" {
      #expect(run.fields["error_message"] == nil, "\(run.id)")
    }
  }

  @Test func `a retried run shows its own try`() throws {
    let run = try #require(try loaded("01-stale-error-after-success").all("run").first).fields
    #expect(run["status"] == "success" && run["error_message"] == nil && run["duration_seconds"] == 9)
  }

  @Test func `Prefect's parent and engine are found under its own names`() throws {
    let target = try loaded("02-parentRun-alias", "prefect-adapter")
    let children = target.all("run").filter { $0.fields["parent_run_id"] != nil }
    #expect(children.count == 2)
    for child in children { #expect(child.fields["context"]?["processing_engine"]?["name"] == "Prefect") }
  }

  @Test func `facts that were only sealed are fields, and no default stands for one`() throws {
    let run = try #require(try loaded("07-facts-lost").all("run").first).fields
    #expect(run["rows_processed"] == 12345 && run["data_size_bytes"] == 99 && run["trigger_type"] == "scheduled")
    #expect(run["params"] == ["day": "2026-11-27"] && run["tags"] == ["env:prod"])
    #expect(run["dag_run_id"] == "scheduled__2026-11-28" && run["context"]?["try_number"] == 2)
    for state in try loaded("01-stale-error-after-success").all("run") {
      #expect(state.fields["rows_processed"] == nil && state.fields["trigger_type"] == nil)
    }
  }

  @Test func `dbt's row counts are the runs'`() throws {
    let target = try loaded("events-run")
    let told = try RealEvents.read("clients/events-run.ndjson").flatMap { $0["outputs"]?.arrayValue ?? [] }
      .contains { $0["outputFacets"]?["outputStatistics"]?["rowCount"] != nil }
    #expect(told == target.all("run").contains { $0.fields["rows_processed"] != nil })
  }

  @Test func `a failed check stands at its dataset and is an alert of its run`() throws {
    let target = try loaded("08-failed-assertion")
    let dataset = try #require(target.all("dataset").first { $0.fields["name"] == "t8" }).fields
    let assertions = try #require(dataset["statistics"]?["assertions"]?.arrayValue)
    #expect(assertions.contains { $0["column"] == "customer_id" && $0["success"] == false && $0["actual"] == "1" })
    #expect(assertions.contains { $0["name"] == "not_null_t8" && $0["success"] == false })
    #expect(target.all("alert").count == 2)
    #expect(target.events.contains { $0.event == "run.logged" })
  }

  @Test func `a renamed table is walked to its former name`() throws {
    let target = try loaded("06-rename")
    let old = try #require(target.all("dataset").first { $0.fields["name"] == "old6" })
    let new = try #require(target.all("dataset").first { $0.fields["name"] == "new6" })
    #expect(old.fields["alias_ids"] == [.string(new.id.text)])
    #expect(new.fields["renamed_from"] == ["namespace": "pg://h:1", "name": "old6"])
  }
}
