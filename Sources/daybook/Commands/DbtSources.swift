import Catalog

/// A platform's tables and views as a dbt source, with what they say and tests of what they promise.
struct DbtSources {
  let models: PlatformModels

  var lines: [String] {
    var lines = models.head("--dbt", comment: "#")
    lines += [
      "version: 2", "", "sources:", "  - name: \(models.platform.name)",
      "    description: \(quoted(models.platform.title))", "    schema: \(models.platform.name)", "    tables:",
    ]
    for model in models.models {
      lines.append("      - name: \(model.table)")
      if !model.summary.isEmpty { lines.append("        description: \(quoted(model.summary))") }
      lines.append("        columns:")
      for column in model.columns { lines += self.lines(of: column, model) }
    }
    return lines
  }

  private func lines(of column: PlatformModels.Column, _ model: PlatformModels.Model) -> [String] {
    var lines = ["          - name: \(column.name)", "            data_type: \(quoted(column.type))"]
    if !column.summary.isEmpty { lines.append("            description: \(quoted(column.summary))") }
    var tests: [String] = []
    // What a view works out of others' rows promises nothing by itself.
    if !model.isView {
      if !column.isNullable { tests.append("              - not_null") }
      if column.isUnique || model.key == [column.name] { tests.append("              - unique") }
      if !column.values.isEmpty, !column.type.hasSuffix("[]") {
        let values = column.values.map { quoted($0) }.joined(separator: ", ")
        tests += ["              - accepted_values:", "                  values: [\(values)]"]
      }
      if let reference = column.reference, let target = models.model(reference.table) {
        tests += [
          "              - relationships:",
          "                  to: source('\(models.platform.name)', '\(reference.table)')",
          "                  field: \(target.key[0])",
        ]
      }
    }
    if !tests.isEmpty { lines += ["            data_tests:"] + tests }
    return lines
  }

  private func quoted(_ text: String) -> String { PlatformModels.quoted(text) }
}
