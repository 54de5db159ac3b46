import BasicTypes
import CanonicalJSON

/// Events as OpenLineage producers send them.
enum OpenLineage {
  /// A job that makes one table of another: its start, and its end with schemas and column lineage.
  static func events(of life: Life, table: String, begin: Timestamp) -> [JSON] {
    let namespace = "warehouse://\(life.tenant.domain)"
    let run = life.newIdentifier(at: begin)
    let failed = life.chance.happens(0.05)
    let end = begin.adding(seconds: Int64(life.chance.number(40...900)))
    let job: JSON = [
      "namespace": .string(namespace), "name": .string("mart.\(table)"),
      "facets": [
        "sql": [
          "_producer": .string(producer), "_schemaURL": .string("\(schema)facets/1-0-1/SQLJobFacet.json"),
          "query": .string(
            "INSERT INTO mart.\(table) SELECT id, upper(name), sum(amount) FROM raw.\(table) GROUP BY 1, 2"),
        ]
      ],
    ]
    func event(_ type: String, _ at: Timestamp, _ inputs: JSON, _ outputs: JSON) -> JSON {
      [
        "eventType": .string(type), "eventTime": .time(at), "run": ["runId": .id(run)], "job": job, "inputs": inputs,
        "outputs": outputs, "producer": .string(producer), "schemaURL": .string("\(schema)2-0-2/OpenLineage.json"),
      ]
    }
    let input: JSON = [
      "namespace": .string(namespace), "name": .string("raw.\(table)"),
      "facets": ["schema": columns([("id", "bigint"), ("name", "text"), ("amount", "numeric")])],
    ]
    let source: (String) -> JSON = { column in
      [
        "inputFields": [
          ["namespace": .string(namespace), "name": .string("raw.\(table)"), "field": .string(column)]
        ]
      ]
    }
    let output: JSON = [
      "namespace": .string(namespace), "name": .string("mart.\(table)"),
      "facets": [
        "schema": columns([("id", "bigint"), ("name", "text"), ("total", "numeric")]),
        "columnLineage": [
          "_producer": .string(producer),
          "_schemaURL": .string("\(schema)facets/1-2-0/ColumnLineageDatasetFacet.json"),
          "fields": ["id": source("id"), "name": source("name"), "total": source("amount")],
        ],
      ],
    ]
    return [
      event("START", begin, [input], []), event(failed ? "FAIL" : "COMPLETE", end, [input], [output]),
    ]
  }

  /// A table that the warehouse job of the first day makes.
  static func reportedTable(of tenant: Tenant) -> String { "mart.\(tenant.tables[0])" }

  private static let producer = "https://example.com/warehouse/1.4"
  private static let schema = "https://openlineage.io/spec/"

  private static func columns(_ columns: [(String, String)]) -> JSON {
    [
      "_producer": .string(producer), "_schemaURL": .string("\(schema)facets/1-1-1/SchemaDatasetFacet.json"),
      "fields": .array(columns.map { ["name": .string($0.0), "type": .string($0.1)] }),
    ]
  }
}
