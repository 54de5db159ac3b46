import CanonicalJSON
import Catalog

/// What `rpc.discover` says about one query: its name, what it is for, its parameters and the form of its result.
public struct QueryMethod: Sendable {
  /// The method name (`pipeline.get`).
  public let name: String
  /// What it answers, in a sentence.
  public let summary: String
  /// Its own parameters; `at_least` and `timeout_ms`, which every query takes, are not among them.
  public let parameters: [Field]
  /// The JSON Schema of the result.
  public let resultSchema: JSON

  /// The description of one query.
  public init(name: String, summary: String, parameters: [Field], resultSchema: JSON) {
    self.name = name
    self.summary = summary
    self.parameters = parameters
    self.resultSchema = resultSchema
  }
}

extension QueryMethod {
  /// Every query of a server with this catalog, in the order in which `rpc.discover` lists them.
  static func all(of catalog: Catalog) -> [QueryMethod] {
    catalog.types.filter(\.hasReadModel).flatMap { methods(of: $0) } + general
  }

  private static func methods(of type: ResourceType) -> [QueryMethod] {
    let name = type.name
    let identifier = parameter("id", .uuid, "Which \(name).", required: true)
    let page = [
      parameter("limit", .integer, "How many items at most (50 where absent, at most 1000).", range: 1...1000),
      parameter("cursor", .text, "The next_cursor of the page before."),
    ]
    var methods = [
      QueryMethod(
        name: "\(name).get", summary: "One \(name), from the log's own state; as it was, with as_of.",
        parameters: [parameter("id", .uuid, "Which \(name)\(naturalKeyHint(type)).")]
          + type.naturalKeys.map { parameter($0, .text, "Finds it by its \($0) instead of its id.") }
          + [asOf, parameter("include_deleted", .boolean, "Answer a deleted one too, instead of the error gone.")],
        resultSchema: object(["item": type.itemSchema, "version": integer, "position": integer])),
      QueryMethod(
        name: "\(name).list", summary: "The \(type.plural) that the caller may see, filtered, ordered, page by page.",
        parameters: [
          parameter("where", .object, "Conditions by field: a value, or operators such as {\"gte\":…,\"lt\":…}."),
          parameter("order", .text, "A field to order by, with a minus before it to turn the order round."),
        ] + page + [asOf, parameter("include_deleted", .boolean, "List deleted ones too.")],
        resultSchema: object([
          "items": ["type": "array", "items": type.itemSchema], "next_cursor": ["type": ["string", "null"]],
          "position": integer,
        ])),
      QueryMethod(
        name: "\(name).history", summary: "Every event of one \(name): who, when, why, and what from and to.",
        parameters: [identifier] + page + [
          parameter("order", .text, "position (oldest first, the default) or -position.")
        ],
        resultSchema: pageSchema),
      QueryMethod(
        name: "\(name).diff", summary: "What differs between two versions, inside JSON fields by JSON Pointer.",
        parameters: [
          identifier,
          parameter(
            "from_version", .bigint, "The earlier version; where absent, the one before to_version.", range: 1...),
          parameter("to_version", .bigint, "The later version; where absent, the latest.", range: 1...),
        ]
          + (type.versionedContent.isEmpty
            ? []
            : [
              parameter(
                "from_version_number", .integer, "The earlier version number, to compare content.", range: 1...),
              parameter("to_version_number", .integer, "The later version number, to compare content.", range: 1...),
            ]),
        resultSchema: object(["id": string, "from": anyObject, "to": anyObject, "changes": anyObject])),
    ]
    if !type.versionedContent.isEmpty {
      methods.append(
        QueryMethod(
          name: "\(name).versions", summary: "The numbered versions of one \(name)'s content.",
          parameters: [identifier] + page, resultSchema: pageSchema))
    }
    if QueryEngine.hasSchedule(type) {
      methods.append(
        QueryMethod(
          name: "\(name).next_runs", summary: "When one \(name)'s schedule fires next, in UTC.",
          parameters: [
            identifier,
            parameter("count", .integer, "How many times at most (5 where absent).", range: 1...100),
            parameter("from", .timestamp, "The instant after which they are (now where absent)."),
          ],
          resultSchema: object(["items": ["type": "array", "items": string], "position": integer])))
    }
    return methods + recordMethods(of: type, identifier)
  }

  /// What runs and their tasks told.
  private static func recordMethods(of type: ResourceType, _ identifier: Field) -> [QueryMethod] {
    let summaries = [
      ("logs", "The log lines of one \(type.name), in the order of their times."),
      ("metrics", "What was measured at the nodes of one \(type.name), in the order of time."),
      ("previews", "Some rows at the nodes of one \(type.name), as long as they are kept."),
    ]
    return summaries.compactMap { verb, summary in
      guard let records = QueryEngine.runRecords(verb, of: type) else { return nil }
      let (standard, maximum) = records.limits
      var parameters = [identifier, parameter("node_id", .text, "Only of this node.")]
      if verb == "logs" {
        var level = parameter("level", .enum, "Only lines of this level.")
        level.values = RunRecordsQuery.levels
        parameters.append(level)
      }
      if !records.expires {
        parameters.append(parameter("since", .timestamp, "The earliest time."))
        parameters.append(parameter("until", .timestamp, "The time before which they are."))
      }
      parameters += [
        parameter("order", .text, "\(records.time) (the default) or -\(records.time)."),
        parameter(
          "limit", .integer, "How many items at most (\(standard) where absent, at most \(maximum)).",
          range: 1...Double(maximum)),
        parameter("cursor", .text, "The next_cursor of the page before."),
      ]
      return QueryMethod(
        name: "\(type.name).\(verb)", summary: summary, parameters: parameters, resultSchema: pageSchema)
    }
  }

  private static let general: [QueryMethod] = [
    QueryMethod(
      name: "audit.search", summary: "The audit trail: who, what, when, where from, why, before and after.",
      parameters: [
        parameter("actor", .text, "Such as user:<uuid>, api_key:<uuid> or local:<uid>."),
        parameter("action", .text, "One of create, read, update, delete, execute."),
        parameter("event", .text, "An event's full name, such as pipeline.edited."),
        parameter("resource_type", .text, "A resource type, such as pipeline."),
        parameter("resource_id", .uuid, "One resource."),
        parameter("organization_id", .uuid, "One organization."),
        parameter("since", .timestamp, "The first instant."),
        parameter("until", .timestamp, "The instant before which events are searched."),
        parameter("text", .text, "Words in the reason, the event, the resource type or the names of changed fields."),
        parameter("include_archived", .boolean, "Search also what a retention sweep has archived."),
        parameter("limit", .integer, "How many rows at most (50 where absent, at most 1000).", range: 1...1000),
        parameter("cursor", .text, "The next_cursor of the page before."),
        parameter("order", .text, "-position (newest first, the default) or position."),
      ], resultSchema: pageSchema),
    QueryMethod(
      name: "system.logs", summary: "What programs logged about themselves (system.log), the latest first.",
      parameters: [
        parameter("organization_id", .uuid, "Only of this organization."),
        parameter("level", .text, "DEBUG, INFO, WARNING, ERROR or CRITICAL."),
        parameter("correlation_id", .text, "Only lines of this correlation."),
        parameter("user_id", .uuid, "Only lines about this user."),
        parameter("since", .timestamp, "The first instant."),
        parameter("until", .timestamp, "The instant before which they are."),
        parameter("order", .text, "-at (the default) or at."),
        parameter("limit", .integer, "How many lines at most (1000 where absent, at most 10000).", range: 1...10_000),
        parameter("cursor", .text, "The next_cursor of the page before."),
      ], resultSchema: pageSchema),
    QueryMethod(
      name: "lineage.graph", summary: "What a dataset or task run was made from, and what was made from it.",
      parameters: [
        parameter("id", .uuid, "The dataset or task run to start from.", required: true),
        parameter("direction", .text, "up, down or both (the default)."),
        parameter("depth", .integer, "How many edges away at most (5 where absent).", range: 1...50),
        parameter("limit", .integer, "How many edges at most (1000 where absent).", range: 1...10_000),
        asOf,
      ],
      resultSchema: object(["nodes": array, "edges": array, "truncated": ["type": "boolean"], "position": integer])),
    QueryMethod(
      name: "log.read", summary: "Records as they are stored and hashed, in order.",
      parameters: [
        parameter("from", .bigint, "The first position (1 where absent).", range: 1...),
        parameter("limit", .integer, "How many records at most (100 where absent, at most 10000).", range: 1...10_000),
        parameter("events", .tags, "Only events of these names; pipeline.* stands for all of one type."),
        parameter("resource_id", .uuid, "Only events of this resource."),
      ], resultSchema: object(["records": array, "next": integer, "position": integer])),
    QueryMethod(
      name: "log.head", summary: "The last position, when it was written, and the root of the tree over all before it.",
      parameters: [], resultSchema: object(["position": integer, "at": string, "tree_size": integer, "root": string])),
    QueryMethod(
      name: "log.checkpoint", summary: "The tree's head as a C2SP checkpoint in a signed note.",
      parameters: [], resultSchema: object(["note": string, "verifier_key": string, "tree_size": integer])),
    QueryMethod(
      name: "log.proof", summary: "An RFC 6962 proof: of inclusion (position) or of consistency (from_size).",
      parameters: [
        parameter("position", .bigint, "The event whose inclusion is proved.", range: 1...),
        parameter(
          "tree_size", .bigint, "The size of the tree that it is in; where absent, the present one.", range: 1...),
        parameter("from_size", .bigint, "The size of the earlier tree.", range: 0...),
        parameter("to_size", .bigint, "The size of the later tree; where absent, the present one.", range: 0...),
      ], resultSchema: object(["hashes": array, "root": string])),
    QueryMethod(
      name: "projection.status", summary: "Each projection: its position, its lag, its state, and where it is parked.",
      parameters: [], resultSchema: object(["items": array, "position": integer])),
    QueryMethod(
      name: "gdpr.records", summary: "The record of processing activities (GDPR Art. 30), from the catalog.",
      parameters: [], resultSchema: object(["items": array])),
  ]

  private static let asOf = parameter("as_of", .json, "A position, or an RFC 3339 time: the answer as it was then.")

  private static func naturalKeyHint(_ type: ResourceType) -> String {
    type.naturalKeys.isEmpty ? "" : ", unless another key is given"
  }

  private static func parameter(
    _ name: String, _ type: FieldType, _ summary: String, required: Bool = false, range: ClosedRange<Double>? = nil
  ) -> Field {
    var field = Field(name: name, type: type)
    field.summary = summary
    field.isRequired = required
    field.minimum = range?.lowerBound
    field.maximum = range?.upperBound
    return field
  }

  private static func parameter(
    _ name: String, _ type: FieldType, _ summary: String, range: PartialRangeFrom<Double>
  ) -> Field {
    var field = parameter(name, type, summary)
    field.minimum = range.lowerBound
    return field
  }

  private static let string: JSON = ["type": "string"]
  private static let integer: JSON = ["type": "integer"]
  private static let array: JSON = ["type": "array", "items": ["type": "object"]]
  private static let anyObject: JSON = ["type": "object"]

  private static func object(_ properties: JSONObject) -> JSON {
    ["type": "object", "properties": .object(properties)]
  }

  private static let pageSchema = object([
    "items": array, "next_cursor": ["type": ["string", "null"]], "position": integer,
  ])
}
