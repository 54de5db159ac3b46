import CanonicalJSON

/// What the catalog tells people who don't read its files.
extension Catalog {
  /// The permission matrix: for each resource type by plural, what each of its
  /// commands needs, as `rpc.discover` and the guide show it.
  ///
  /// `{"pipelines":{"commands":{"pipeline.delete":{"administrative":false,"permission":"admin"}},"queries":"read"}}`
  /// and so on; commands that only the server gives are left out.
  public var permissionMatrix: JSON {
    var matrix: JSONObject = [:]
    for type in types {
      var commands: JSONObject = [:]
      for command in type.commands where !command.isInternal {
        commands["\(type.name).\(command.name)"] = [
          "permission": .string(command.permission.rawValue), "administrative": .bool(command.isAdministrative),
        ]
      }
      var entry: JSONObject = ["commands": .object(commands)]
      if type.hasReadModel { entry["queries"] = .string(Permission.read.rawValue) }
      matrix[type.plural] = .object(entry)
    }
    return .object(matrix)
  }

  /// The record of processing activities (GDPR Art. 30): one entry for each personal field, and for each value that may
  /// name people, in the order of the files; `*` is the type of what every event has.
  ///
  /// Each has `resource_type`, `field`, `subject` (`self`, the field that names the user, or whom it may name, in
  /// words), `purpose`, `legal_basis`, `category`, `retention` and `recipients`. What isn't stated shows as `MISSING`;
  /// a folder in which one lacks any doesn't load.
  public var processingRecord: JSON {
    func stated(_ text: String) -> JSON { .string(text.isEmpty ? "MISSING" : text) }
    var entries: [JSON] = []
    for type in types {
      for field in type.fields {
        guard let personal = field.personal else { continue }
        let subject: String
        switch personal.subject {
        case .resource: subject = "self"
        case .field(let name): subject = name
        }
        entries.append([
          "resource_type": .string(type.name), "field": .string(field.name), "subject": .string(subject),
          "purpose": stated(personal.purpose), "legal_basis": stated(personal.legalBasis),
          "category": stated(personal.category), "retention": stated(personal.retention),
          "recipients": stated(Recipient.text(personal.recipients)),
        ])
      }
      for mention in type.mentions {
        let isOfAll = type.field(mention.place) == nil && !mention.place.utf8.contains(UInt8(ascii: "."))
        entries.append([
          "resource_type": .string(isOfAll ? "*" : type.name), "field": .string(mention.place),
          "subject": stated(mention.subject), "purpose": stated(mention.purpose),
          "legal_basis": stated(mention.legalBasis), "category": stated(mention.category),
          "retention": stated(mention.retention), "recipients": stated(Recipient.text(mention.recipients)),
        ])
      }
    }
    return .array(entries)
  }
}
