import Access
import CanonicalJSON
import Catalog
import Records
import Refusals

/// A command that the socket may give, found by its name once and then handed on.
package struct CommandMethod: Sendable {
  enum Kind: Sendable {
    case single(CommandModel)
    case batch(CommandParameters)
  }

  /// What everybody may know of it.
  package let signature: MethodSignature
  let kind: Kind

  init(_ model: CommandModel) {
    kind = .single(model)
    let command = model.command
    let type = model.type.type
    signature = MethodSignature(
      model.method,
      command.summary.isEmpty ? "\(command.effect.rawValue.capitalizedASCII) a \(type.name)." : command.summary,
      parameters: model.parameters.list, result: Self.result(model.event), errors: Self.errors(model),
      example: CommandExamples.params(of: model),
      notes: [
        "x-administrative": .bool(command.isAdministrative), "x-event": .string(model.event),
        "x-permission": .string("\(type.plural):\(command.permission.rawValue)"),
      ])
  }

  /// `batch.apply`.
  init(batch parameters: CommandParameters) {
    kind = .batch(parameters)
    signature = MethodSignature(
      CommandEngine.batchMethod, "Applies several commands all or none, in one transaction.",
      parameters: parameters.list,
      result: [
        "type": "object", "required": ["position", "results"],
        "properties": [
          "dry_run": ["type": "boolean"], "position": ["type": ["integer", "null"]],
          "replayed": ["type": "boolean"], "results": ["type": "array", "items": Self.result("organization.edited")],
        ],
      ],
      errors: Self.always.union([.methodNotFound, .gone, .held]), example: CommandExamples.batch)
  }

  /// Why the caller may not give this command whatever its parameters say; nil where that depends on them, or the log.
  /// What it says yes to is still asked inside the write transaction.
  package func refusal(for principal: Principal) -> Refusal? {
    guard case .single(let model) = kind, !principal.isAdministrator, model.type.name != "user",
      model.behaviour?.traits.authorizesItself != true
    else { return nil }
    let permission = model.command.permission
    if model.command.isAdministrative {
      return .forbidden(
        permission: "administrator", "Only the local administrator and platform administrators may do this.")
    }
    // A person's rights may come from a workspace, and what is public anybody may read.
    guard let verbs = principal.keyPermissions, permission != .read else { return nil }
    let plural = model.type.plural
    let isAllowed = verbs[plural]?.contains(permission) == true || verbs["*"]?.contains(permission) == true
    return isAllowed ? nil : .forbidden(permission: "\(plural):\(permission.rawValue)")
  }

  /// Those that any command may be refused with; `not_found` where the person on whose behalf it is given isn't there.
  private static let always: Set<Refusal.Code> = [
    .invalidParams, .unauthenticated, .forbidden, .notFound, .conflict, .tooLarge, .overloaded, .unavailable, .internal,
  ]

  private static func errors(_ model: CommandModel) -> Set<Refusal.Code> {
    var errors = always
    if model.needsTarget { errors.insert(.gone) }
    // What holds a person's values may only be stored (GDPR Art. 18).
    if model.command.effect == .delete || !model.type.subjects.isEmpty { errors.insert(.held) }
    return errors.union(model.behaviour?.traits.alsoRefuses ?? [])
  }

  /// What a command answers that records such an event. Positions are null in the answer to a dry run.
  private static func result(_ event: String) -> JSON {
    [
      "type": "object", "required": ["events", "position"],
      "properties": [
        "dry_run": ["type": "boolean"],
        "events": [
          "type": "array",
          "items": [
            "type": "object", "required": ["event", "id", "position"],
            "properties": [
              "event": ["type": "string", "examples": [.string(event)]], "id": ["format": "uuid", "type": "string"],
              "position": ["type": ["integer", "null"]],
            ],
          ],
        ],
        "id": ["format": "uuid", "type": "string"], "position": ["type": ["integer", "null"]],
        "replayed": ["type": "boolean"], "version": ["type": "integer", "minimum": 0],
      ],
    ]
  }
}

extension String {
  /// With its first letter as a capital.
  fileprivate var capitalizedASCII: String { prefix(1).uppercased() + dropFirst() }
}
