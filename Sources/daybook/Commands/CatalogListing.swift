import CanonicalJSON
import Catalog

/// One resource type as a page for people.
struct CatalogListing {
  private let type: ResourceType

  init(_ type: ResourceType) {
    self.type = type
  }

  func lines(isMarkdown: Bool) -> [String] {
    let fields = type.fields.map { [$0.name, kind($0), rules($0), $0.summary] }
    let commands = type.commands.map { command in
      [
        "\(type.name).\(command.name)", "\(type.name).\(command.event)", needs(command), movement(command),
        command.parameters.map(parameter).joined(separator: ", "),
      ]
    }
    let facts = type.facts.map { fact in
      ["\(type.name).\(fact.event)", fact.sealed.joined(separator: ", "), fact.retentionClass ?? ""]
    }
    let personal = type.fields.compactMap { field in
      field.personal.map {
        [field.name, $0.category, $0.purpose, $0.legalBasis, $0.retention, Recipient.text($0.recipients)]
      }
    }
    var lines = [isMarkdown ? "## \(type.name)" : type.name.uppercased(), "", type.summary, ""]
    lines += properties.map { isMarkdown ? "- **\($0.name):** \($0.value)" : "  \($0.name): \($0.value)" } + [""]
    lines += Self.table(["FIELD", "TYPE", "RULES", "MEANING"], fields, isMarkdown)
    lines += Self.table(["COMMAND", "EVENT", "NEEDS", "STATES", "PARAMETERS"], commands, isMarkdown)
    lines += Self.table(["EVENT WITH FACTS", "SEALED", "RETENTION CLASS"], facts, isMarkdown)
    lines += Self.table(
      ["PERSONAL FIELD", "CATEGORY", "PURPOSE", "LEGAL BASIS", "KEPT", "RECIPIENTS"], personal, isMarkdown)
    return lines
  }

  static func table(_ headings: [String], _ rows: [[String]], _ isMarkdown: Bool) -> [String] {
    guard !rows.isEmpty else { return [] }
    if isMarkdown {
      func line(_ cells: [String]) -> String {
        "| \(cells.map { $0.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|") }.joined(separator: " | ")) |"
      }
      let names = headings.map { "\($0.prefix(1))\($0.dropFirst().lowercased())" }
      return [line(names), "|" + headings.map { _ in "---|" }.joined()] + rows.map(line) + [""]
    }
    var table = Table(headings.map(Table.Column.init(stringLiteral:)))
    for row in rows { table.add(row) }
    return table.lines(width: Terminal.width).map { "  \($0)" } + [""]
  }

  /// What holds for every resource of the type.
  private var properties: [(name: String, value: String)] {
    var properties = [
      (name: "organization", value: type.organization.rawValue),
      (name: "found by", value: (["id"] + type.naturalKeys).joined(separator: ", ")),
    ]
    if !type.publicFields.isEmpty {
      properties.append((name: "public", value: "while \(type.publicFields.joined(separator: " or "))"))
    }
    if let recipients = type.recipients {
      properties.append((name: "recipients", value: Recipient.text(recipients)))
    }
    if let visibility = type.visibility {
      let unless = visibility.unless.map { " or while \($0)" } ?? ""
      properties.append(
        (
          name: "visible to",
          value: "\(visibility.field) and who has admin; everybody without \(visibility.field)\(unless)"
        ))
    }
    if !type.versionedContent.isEmpty {
      properties.append((name: "versioned", value: type.versionedContent.joined(separator: ", ")))
    }
    return properties
  }

  private func needs(_ command: Command) -> String {
    if command.isInternal { return "the server itself" }
    return command.isAdministrative ? "administrator" : "\(type.plural):\(command.permission.rawValue)"
  }

  /// A command's own parameter: its name, its type, and whether it must be given.
  private func parameter(_ field: Field) -> String {
    let kind =
      switch field.type {
      case .enum: field.values.joined(separator: "|")
      default: kind(field)
      }
    return "\(field.name) \(kind)\(field.isRequired ? " required" : "")"
  }

  private func kind(_ field: Field) -> String {
    switch field.type {
    case .enum: field.values.joined(separator: " ")
    case .reference: "→ \(field.reference?.types.joined(separator: ", ") ?? "")"
    default: field.type.rawValue
    }
  }

  private func rules(_ field: Field) -> String {
    var rules: [String] = []
    if field.isRequired { rules.append("required") }
    if let length = field.maximumLength { rules.append("≤ \(length)") }
    if field.isImmutable { rules.append("fixed") }
    if !field.isAssignable { rules.append("set by commands") }
    if field.secret != nil { rules.append("secret") }
    if field.personal != nil { rules.append("personal") }
    if let reference = field.reference { rules.append("on delete \(reference.onDelete.rawValue)") }
    if let value = field.defaultValue { rules.append("default \(value.canonicalString)") }
    for constraint in type.unique where constraint.fields.contains(field.name) {
      let others = constraint.fields.filter { $0 != field.name }
      rules.append(
        (others.isEmpty ? "unique" : "unique with \(others.joined(separator: ", "))")
          + (constraint.ignoresCase ? " in any case" : constraint.ignoresForm ? " in any form" : "")
          + (constraint.platforms.isEmpty ? "" : " (\(constraint.platforms.joined(separator: ", ")))"))
    }
    return rules.joined(separator: ", ")
  }

  private func movement(_ command: Command) -> String {
    guard let to = command.to else { return "" }
    return "\(command.from.isEmpty ? "any" : command.from.joined(separator: ", ")) → \(to)"
  }
}
