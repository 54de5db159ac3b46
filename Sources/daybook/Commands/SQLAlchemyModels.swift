import Catalog

/// A platform's models for SQLAlchemy 2: declarative, with relationships, over the views.
struct SQLAlchemyModels {
  let models: PlatformModels

  var lines: [String] {
    var lines = models.head("--sqlalchemy", comment: "#")
    lines += [
      "", "import datetime", "import uuid", "from typing import Any, Optional", "",
      "from sqlalchemy import (", "    BigInteger, Boolean, DateTime, Double, ForeignKey, Integer, String, Text, Uuid,",
      ")",
      "from sqlalchemy.dialects.postgresql import ARRAY, INET, JSONB",
      "from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship", "", "",
      "class Base(DeclarativeBase):", "    pass",
    ]
    for model in models.models { lines += ["", ""] + self.lines(of: model) }
    return lines
  }

  private func lines(of model: PlatformModels.Model) -> [String] {
    var lines = ["class \(model.className)(Base):"]
    if !model.summary.isEmpty { lines += ["    \(PlatformModels.quoted(model.summary))", ""] }
    lines += [
      "    __tablename__ = \(PlatformModels.quoted(model.table))",
      "    __table_args__ = {\"schema\": \(PlatformModels.quoted(models.platform.name))}", "",
    ]
    for column in model.columns { lines.append("    \(self.column(column, model))") }
    let references = model.columns.filter { $0.reference != nil }
    let inverse = models.models.flatMap { other in
      other.columns.compactMap { column -> String? in
        guard let reference = column.reference, reference.table == model.table else { return nil }
        return """
          \(reference.inverse): Mapped[list["\(other.className)"]] = relationship(\
          back_populates=\(PlatformModels.quoted(self.name(of: reference, column))), viewonly=True, \
          foreign_keys="\(other.className).\(attribute(column.name))")
          """
      }
    }
    if !references.isEmpty || !inverse.isEmpty { lines.append("") }
    for column in references {
      guard let reference = column.reference, let target = models.model(reference.table) else { continue }
      let remote = "\(target.className).\(attribute(target.key[0]))"
      lines.append(
        """
            \(name(of: reference, column)): Mapped[Optional["\(target.className)"]] = relationship(\
        back_populates=\(PlatformModels.quoted(reference.inverse)), viewonly=True, \
        foreign_keys=[\(attribute(column.name))], remote_side="\(remote)")
        """)
    }
    lines += inverse.map { "    \($0)" }
    return lines
  }

  /// A relationship can't have the name of its own column.
  private func name(of reference: PlatformModels.Reference, _ column: PlatformModels.Column) -> String {
    reference.name == column.name ? "\(reference.name)_row" : reference.name
  }

  /// Names that a declarative class keeps for itself.
  private func attribute(_ column: String) -> String { column == "metadata" ? "metadata_" : column }

  private func column(_ column: PlatformModels.Column, _ model: PlatformModels.Model) -> String {
    let (python, sql) = kind(column.type)
    var words: [String] = []
    if attribute(column.name) != column.name { words.append(PlatformModels.quoted(column.name)) }
    words.append(sql)
    if let reference = column.reference, let target = models.model(reference.table) {
      let place = "\(models.platform.name).\(reference.table).\(target.key[0])"
      words.append("ForeignKey(\(PlatformModels.quoted(place)))")
    }
    if model.key.contains(column.name) { words.append("primary_key=True") }
    if column.isUnique { words.append("unique=True") }
    let type = column.isNullable && !model.key.contains(column.name) ? "Optional[\(python)]" : python
    return "\(attribute(column.name)): Mapped[\(type)] = mapped_column(\(words.joined(separator: ", ")))"
  }

  private func kind(_ type: String) -> (python: String, sql: String) {
    if type.hasSuffix("[]") { return ("list[str]", type == "text[]" ? "ARRAY(Text)" : "ARRAY(String)") }
    if type.hasPrefix("varchar(") { return ("str", "String(\(type.dropFirst(8).dropLast()))") }
    switch type {
    case "uuid": return ("uuid.UUID", "Uuid")
    case "integer": return ("int", "Integer")
    case "bigint": return ("int", "BigInteger")
    case "boolean": return ("bool", "Boolean")
    case "double precision": return ("float", "Double")
    case "jsonb": return ("Any", "JSONB")
    case "inet": return ("str", "INET")
    case "timestamp": return ("datetime.datetime", "DateTime")
    case "timestamptz": return ("datetime.datetime", "DateTime(timezone=True)")
    case "varchar": return ("str", "String")
    default: return ("str", "Text")
    }
  }
}
