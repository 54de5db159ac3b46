import CanonicalJSON
import Catalog
import Refusals

/// Writes the OpenRPC document that `rpc.discover` answers, from the table of methods and nothing else.
struct Discovery {
  let catalog: Catalog
  let methods: [MethodSignature]

  /// The document (OpenRPC 1.3), methods in the order of their names.
  var document: JSONObject {
    let schemas = catalog.types.filter(\.hasReadModel).map { (key: $0.name, value: $0.itemSchema) }
    let errors = Refusal.Code.allCases.map { (key: $0.rawValue, value: Self.describe($0)) }
    return [
      "components": [
        "errors": .object(JSONObject(members: errors)), "schemas": .object(JSONObject(members: schemas)),
      ],
      "info": [
        "description": "Line-delimited JSON-RPC 2.0 over TCP, TLS and Unix sockets. Params are by name.",
        "title": "Daybook", "version": .string(DaybookServer.version), "x-catalog-revision": .string(catalog.revision),
      ],
      "methods": .array(methods.map(describe)),
      "openrpc": "1.3.2",
    ]
  }

  private func describe(_ method: MethodSignature) -> JSON {
    var description: JSONObject = [
      "errors": .array(method.errors.map { ["$ref": .string("#/components/errors/\($0.rawValue)")] }),
      "name": .string(method.name), "paramStructure": "by-name",
      "params": .array(method.parameters.all.map { Self.describe($0.field) }),
      "result": ["name": "result", "schema": method.result], "summary": .string(method.summary),
    ]
    if let example = method.example { description["examples"] = [pairing(example, method)] }
    return .object(description.merging(method.notes))
  }

  private static func describe(_ field: Field) -> JSON {
    var entry: JSONObject = [
      "name": .string(field.name), "required": .bool(field.isRequired), "schema": field.parameterSchema,
    ]
    if !field.summary.isEmpty { entry["summary"] = .string(field.summary) }
    return .object(entry)
  }

  /// A call and its answer, as OpenRPC pairs them.
  private func pairing(_ params: JSONObject, _ method: MethodSignature) -> JSON {
    let result = ExampleWorld.value(for: method.result) { name in catalog.type(name)?.itemSchema }
    return [
      "name": .string(method.name),
      "params": .array(params.map { ["name": .string($0.key), "value": $0.value] }),
      "result": ["name": "result", "value": result],
    ]
  }

  private static func describe(_ code: Refusal.Code) -> JSON {
    [
      "code": .integer(Int64(code.number)), "data": ["type": .string(code.rawValue)],
      "message": .string(code.meaning), "x-transient": .bool(code.isTransient),
      "x-data": .object(
        JSONObject(members: code.members.map { (key: $0.name, value: .string($0.summary)) })),
    ]
  }
}
