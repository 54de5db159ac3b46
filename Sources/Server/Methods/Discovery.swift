import CanonicalJSON
import Catalog
import Domain
import Queries

/// Writes the OpenRPC document that `rpc.discover` answers.
struct Discovery {
  let catalog: Catalog
  let engine: CommandEngine
  let queries: [QueryMethod]
  let server: [ServerMethod]

  /// The document (OpenRPC 1.3), methods in the order of their names.
  var document: JSONObject {
    var methods: [String: JSON] = [:]
    for query in queries { methods[query.name] = describe(query) }
    for type in catalog.types {
      for command in type.commands where engine.isCommand("\(type.name).\(command.name)") {
        methods["\(type.name).\(command.name)"] = describe(command, of: type)
      }
    }
    methods[CommandEngine.batchMethod] = batch
    for method in server { methods[method.name] = describe(method) }
    let schemas = catalog.types.filter(\.hasReadModel).map { (key: $0.name, value: $0.itemSchema) }
    return [
      "components": ["schemas": .object(JSONObject(members: schemas))],
      "info": [
        "description": "Line-delimited JSON-RPC 2.0 over TCP, TLS and Unix sockets. Params are by name.",
        "title": "Daybook", "version": .string(DaybookServer.version), "x-catalog-revision": .string(catalog.revision),
      ],
      "methods": .array(methods.sorted { $0.key < $1.key }.map(\.value)),
      "openrpc": "1.3.2",
    ]
  }

  private func describe(_ command: Command, of type: ResourceType) -> JSON {
    // The schema is the authority on what may be null and what is required; OpenRPC wants one entry a parameter.
    let schema = type.parametersSchema(of: command)
    let required = Set((schema["required"]?.arrayValue ?? []).compactMap(\.stringValue))
    let properties = schema["properties"]?.objectValue ?? [:]
    let names = (type.parameters(of: command) + Command.commonParameters).map(\.name)
    let parameters = names.compactMap { name -> JSON? in
      properties[name].map { entry(name, $0, isRequired: required.contains(name)) }
    }
    let summary =
      command.summary.isEmpty ? "\(command.effect.rawValue.capitalizedASCII) a \(type.name)." : command.summary
    return method(
      "\(type.name).\(command.name)", summary, parameters, result: Self.commandResult,
      besides: [
        "x-administrative": .bool(command.isAdministrative), "x-event": .string("\(type.name).\(command.event)"),
        "x-permission": .string("\(type.plural):\(command.permission.rawValue)"),
      ])
  }

  private func describe(_ query: QueryMethod) -> JSON {
    var result = query.resultSchema
    let parts = query.name.split(separator: ".")
    if parts.count == 2, let type = catalog.type(String(parts[0])), type.hasReadModel {
      let reference: JSON = ["$ref": .string("#/components/schemas/\(type.name)")]
      switch parts[1] {
      case "get": result = Self.replacing("item", in: result, by: reference)
      case "list": result = Self.replacing("items", in: result, by: ["type": "array", "items": reference])
      default: break
      }
    }
    let parameters = (query.parameters + Self.waiting).map { entry($0.name, $0.jsonSchema, isRequired: $0.isRequired) }
    return method(query.name, query.summary, parameters, result: result)
  }

  private func describe(_ method: ServerMethod) -> JSON {
    let parameters = method.parameters.map { entry($0.name, $0.jsonSchema, isRequired: $0.isRequired) }
    return self.method(method.name, method.summary, parameters, result: method.resultSchema)
  }

  private var batch: JSON {
    let commands: JSON = [
      "items": [
        "properties": ["method": ["type": "string"], "params": ["type": "object"]], "required": ["method"],
        "type": "object",
      ],
      "maxItems": .integer(Int64(CommandEngine.batchLimit)), "type": "array",
    ]
    let common = Command.commonParameters.filter { $0.name != "expected_version" }
    return method(
      CommandEngine.batchMethod, "Applies several commands all or none, in one transaction.",
      [entry("commands", commands, isRequired: true)] + common.map { entry($0.name, $0.jsonSchema, isRequired: false) },
      result: [
        "properties": ["position": ["type": "integer"], "results": ["items": Self.commandResult, "type": "array"]],
        "type": "object",
      ])
  }

  private func method(
    _ name: String, _ summary: String, _ parameters: [JSON], result: JSON, besides: JSONObject = [:]
  ) -> JSON {
    let method: JSONObject = [
      "name": .string(name), "paramStructure": "by-name", "params": .array(parameters),
      "result": ["name": "result", "schema": result], "summary": .string(summary),
    ]
    return .object(method.merging(besides))
  }

  private func entry(_ name: String, _ schema: JSON, isRequired: Bool) -> JSON {
    var entry: JSONObject = ["name": .string(name), "required": .bool(isRequired), "schema": schema]
    if let description = schema["description"] { entry["summary"] = description }
    return .object(entry)
  }

  private static func replacing(_ property: String, in schema: JSON, by value: JSON) -> JSON {
    guard case .object(var object) = schema, var properties = object["properties"]?.objectValue else { return schema }
    properties[property] = value
    object["properties"] = .object(properties)
    return .object(object)
  }

  /// What every query takes.
  private static let waiting: [Field] = [
    .parameter(
      "at_least", .bigint, "Wait for this position; by default, for the last command sent before on this connection."),
    .parameter("timeout_ms", .integer, "How long to wait (5000 where absent)."),
  ]

  private static let commandResult: JSON = [
    "properties": [
      "events": [
        "items": [
          "properties": [
            "event": ["type": "string"], "id": ["format": "uuid", "type": "string"], "position": ["type": "integer"],
          ],
          "type": "object",
        ],
        "type": "array",
      ],
      "id": ["format": "uuid", "type": "string"], "position": ["type": "integer"], "replayed": ["type": "boolean"],
      "version": ["type": "integer"],
    ],
    "type": "object",
  ]
}

extension String {
  /// With its first letter as a capital.
  fileprivate var capitalizedASCII: String { prefix(1).uppercased() + dropFirst() }
}
