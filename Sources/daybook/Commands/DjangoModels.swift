import Catalog

/// A platform's models for Django 5: unmanaged, over the views.
struct DjangoModels {
  let models: PlatformModels
  /// Whether `save()` and `delete()` send commands, by the package `daybook_django`.
  let areWritten: Bool

  var lines: [String] {
    var lines = models.head(areWritten ? "--django --written" : "--django", comment: "#")
    lines += ["", "from django.contrib.postgres.fields import ArrayField", "from django.db import models"]
    if areWritten { lines += ["", "from daybook_django.models import DaybookModel, DaybookUser"] }
    for model in models.models { lines += ["", ""] + self.lines(of: model) }
    return lines
  }

  private func lines(of model: PlatformModels.Model) -> [String] {
    let isUser = model.resource == "user"
    let isWritten = areWritten && model.resource != nil
    let base = !isWritten ? "models.Model" : isUser ? "DaybookUser, DaybookModel" : "DaybookModel"
    var lines = ["class \(model.className)(\(base)):"]
    if !model.summary.isEmpty { lines += ["    \(PlatformModels.quoted(model.summary))", ""] }
    if let resource = model.resource, isWritten {
      lines.append("    daybook_type = \(PlatformModels.quoted(resource))")
      let fields = model.columns.compactMap { column in
        column.field.map { "\(PlatformModels.quoted(column.name)): \(PlatformModels.quoted($0))" }
      }
      lines += ["    daybook_fields = {"] + fields.map { "        \($0)," } + ["    }", ""]
    }
    if model.key.count > 1 {
      let key = model.key.map { PlatformModels.quoted(attribute(of: $0, model)) }.joined(separator: ", ")
      lines.append("    pk = models.CompositePrimaryKey(\(key))")
    }
    for column in model.columns { lines.append("    \(field(column, model))") }
    lines += [
      "", "    class Meta:", "        managed = False",
      "        db_table = '\"\(models.platform.name)\".\"\(model.table)\"'",
    ]
    return lines
  }

  /// The attribute that holds a column's own value.
  private func attribute(of column: String, _ model: PlatformModels.Model) -> String {
    guard let reference = model.columns.first(where: { $0.name == column })?.reference else { return column }
    return "\(reference.name)_id"
  }

  private func field(_ column: PlatformModels.Column, _ model: PlatformModels.Model) -> String {
    var options: [String] = []
    let isKey = model.key == [column.name]
    if isKey { options.append("primary_key=True") }
    if column.isNullable, !isKey { options += ["null=True", "blank=True"] }
    if column.isUnique, !isKey { options.append("unique=True") }
    if let reference = column.reference, let target = models.model(reference.table) {
      let words =
        [
          PlatformModels.quoted(target.className == model.className ? "self" : target.className), "models.DO_NOTHING",
          "db_column=\(PlatformModels.quoted(column.name))", "db_constraint=False",
          "related_name=\(PlatformModels.quoted(reference.inverse))",
        ] + options
      return "\(reference.name) = models.ForeignKey(\(words.joined(separator: ", ")))"
    }
    if !column.values.isEmpty, !column.type.hasSuffix("[]") {
      let choices = column.values.map { "(\(PlatformModels.quoted($0)), \(PlatformModels.quoted($0)))" }
      options.append("choices=[\(choices.joined(separator: ", "))]")
    }
    return "\(column.name) = \(kind(column.type, options))"
  }

  private func kind(_ type: String, _ options: [String]) -> String {
    func call(_ name: String, _ first: [String] = []) -> String {
      "models.\(name)(\((first + options).joined(separator: ", ")))"
    }
    if type.hasSuffix("[]") {
      return "ArrayField(\((["models.TextField()"] + options).joined(separator: ", ")))"
    }
    if type.hasPrefix("varchar(") { return call("CharField", ["max_length=\(type.dropFirst(8).dropLast())"]) }
    switch type {
    case "uuid": return call("UUIDField")
    case "integer": return call("IntegerField")
    case "bigint": return call("BigIntegerField")
    case "boolean": return call("BooleanField")
    case "double precision": return call("FloatField")
    case "jsonb": return call("JSONField")
    case "inet": return call("GenericIPAddressField")
    case "timestamp", "timestamptz": return call("DateTimeField")
    default: return call("TextField")
    }
  }
}
