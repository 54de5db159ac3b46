import BasicTypes
import CanonicalJSON
import Catalog
import Records

/// Params of commands that are accepted where the resources of ``ExampleWorld`` exist.
///
/// They follow from the fields: what a command must have, with the world's ids. What no field says, because either of
/// two parameters will do or a value has an inner form, stands here.
enum CommandExamples {
  /// An example of one command.
  static func params(of model: CommandModel) -> JSONObject? {
    if none.contains(model.method) { return nil }
    var params = JSONObject()
    for parameter in model.parameters.list.all where parameter.field.isRequired && parameter.defaultValue == nil {
      params[parameter.field.name] = ExampleWorld.value(for: parameter.field, of: model.type.name)
    }
    if model.command.effect == .create { params["id"] = .string(ExampleWorld.identifier(of: model.type.name).text) }
    if model.takesOrganization, model.type.organization != .none {
      params["organization_id"] = .string(ExampleWorld.identifier(of: "organization").text)
    }
    return params.merging(special[model.method] ?? [:])
  }

  /// An example of a batch.
  static let batch: JSONObject = [
    "commands": [
      [
        "method": "organization.edit",
        "params": ["id": .string(ExampleWorld.identifier(of: "organization").text), "name": "Example Works"],
      ]
    ]
  ]

  private static func world(_ type: String) -> JSON { .string(ExampleWorld.identifier(of: type).text) }

  /// What the fields don't say.
  private static let special: [String: JSONObject] = [
    "run.create": ["code": "print(1)"],
    "run.start": ["code": "print(1)"],
    "calculation.create": ["code": "print(1)"],
    "calculation.start": ["code": "print(1)"],
    "file.create": ["file_hash": .string(String(repeating: "0", count: 64))],
    "file.complete": ["file_hash": .string(String(repeating: "0", count: 64))],
    "run.set_task_states": ["task_states": ["extract": ["state": "success"]]],
    "user.set_password": ["password": "correct horse battery"],
    "module_template.create": ["config_schema": ["type": "object"]],
    "projection.skip": ["force": true],
    "redaction.create": ["resource_id": world("pipeline"), "pointers": ["/description"]],
    "legal_hold.place": ["held_id": world("dataset")],
    "invitation.create": ["user_id": world("user")],
    "user_preferences.create": ["user_id": world("user")],
    "system.log": ["message": "The import has started."],
    "openlineage.map": ["organization_id": world("organization"), "namespace": "example"],
    "openlineage.record": [
      "event": [
        "eventTime": "2026-01-01T00:00:00Z", "eventType": "START", "producer": "https://example.org/producer",
        "run": ["runId": "0193f0e2-5f3e-7c1a-9b39-6f3e2c1d0a4b"],
        "job": ["namespace": "example", "name": "import"],
      ]
    ],
  ]

  /// Commands that need more than the world has: a secret that was shown once, a person who has signed in, another
  /// resource in a state of its own; the digest of a bundle; a rule that was made; another organization; a server for a
  /// demonstration.
  private static let none: Set<String> = [
    "invitation.accept", "invitation.redeem", "invitation.decline", "export.complete", "openlineage.unmap",
    "openlineage.move", "projection.unskip", "clock.tell",
  ]
}
