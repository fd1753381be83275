// Says, before anything is trained, what a sampler, weights and logit terms will do to the classes
// of a label file.
#include "equipoise/plan/plan.h"

#include <absl/flags/flag.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "demos/common/charts.h"
#include "demos/common/files.h"
#include "demos/common/flags.h"
#include "demos/common/input_error.h"
#include "equipoise/logit_terms.h"
#include "equipoise/mix.h"
#include "equipoise/plan/dry_run.h"
#include "equipoise/plan/ledger.h"
#include "equipoise/plan/text.h"
#include "equipoise/weights.h"

ABSL_FLAG(std::string, labels, "", "file with a label a line, or with lines of tabbed columns");
ABSL_FLAG(int, column, 0, "column of the label, from 1; 0: the last one");
ABSL_FLAG(std::string, ignore, "", "label whose lines are left out");
ABSL_FLAG(std::string, mix, "natural",
          "how classes are drawn: natural, uniform, temperature:EXPONENT, repeat:THRESHOLD or "
          "progressive:SHARE");
ABSL_FLAG(std::string, weights, "none",
          "of the loss: none, balanced, power:EXPONENT, effective:BETA or log:K");
ABSL_FLAG(double, max_weight, 0, "the most that a class weighs; 0: no bound");
ABSL_FLAG(double, logit_adjustment, 0, "tau of the logit-adjusted loss; 0: none");
ABSL_FLAG(std::string, mean, "by_count",
          "what the loss divides by: by_count, by_weight or per_class");
ABSL_FLAG(std::string, sampling, "exact_quota", "exact_quota or independent");
ABSL_FLAG(int, batch, 0, "rows of a batch, of all workers; 0: as the plan says, or 64");
ABSL_FLAG(int, epochs, 1, "epochs of the run");
ABSL_FLAG(int, most_classes, 1000, "more labels than this are no classes but, say, texts or ids");
ABSL_FLAG(std::string, plan, "",
          "file with a plan: it takes the place of --mix to --sampling and of --batch");
ABSL_FLAG(std::string, save, "", "file for the plan");
ABSL_FLAG(std::string, json, "", "file for ledger, dry run and warnings as JSON");
ABSL_FLAG(std::string, picture, "", "PNG file for a picture of counts, mix and weights");

namespace equipoise::demos {
namespace {

constexpr const char* kUsage =
    "Says what a sampler, weights and logit terms will do to the classes of a label file.\n"
    "  bazel run //tools:plan -- --labels=train.tsv --column=2 --weights=power:0.5\n"
    "  bazel run //tools:plan -- --labels=FILE --mix=uniform --weights=balanced "
    "--picture=plan.png\n"
    "  bazel run //tools:plan -- --plan=FILE";

struct Classes {
  std::vector<std::string> names;
  std::vector<double> counts;
  std::vector<std::string> doubts{};  // that they are classes
};

// Numbers by size, else by name.
bool comes_before(const std::string& a, const std::string& b) {
  std::int64_t x = 0;
  std::int64_t y = 0;
  const bool are_numbers = absl::SimpleAtoi(a, &x) && absl::SimpleAtoi(b, &y);
  return are_numbers ? x < y : a < b;
}

// Why labels may not be what a row is to be told by.
std::vector<std::string> doubts_of(const std::map<std::string, double>& counts) {
  std::vector<std::string> doubts;
  const auto is_label = [&](const std::string& text) { return counts.count(text) > 0; };
  std::size_t lists = 0;
  std::size_t single = 0;
  std::string example;
  for (const auto& [label, count] : counts) {
    if (count == 1) ++single;
    const std::vector<std::string> parts = absl::StrSplit(label, ',');
    if (parts.size() == 1 || !std::all_of(parts.begin(), parts.end(), is_label)) continue;
    if (lists++ == 0) example = label;
  }
  if (lists > 0) {
    doubts.push_back(absl::StrCat(
        lists, " classes are lists of others, such as ", example,
        ": rows with several labels have no single class, and each list counts as one here"));
  }
  constexpr std::size_t kFew = 20;
  if (counts.size() > kFew && 2 * single > counts.size()) {
    doubts.push_back(absl::StrCat("of ", counts.size(), " classes ", single,
                                  " have one row: is --column that of the labels?"));
  }
  return doubts;
}

Classes count_file(const std::string& name, std::size_t column, const std::string& ignored) {
  std::map<std::string, double> counts;
  std::size_t number = 0;
  for (const std::string& line : read_lines(user_path(name))) {
    ++number;
    if (line.find_first_not_of(" \t") == std::string::npos) continue;  // between sentences
    const std::vector<std::string> cells = absl::StrSplit(line, '\t');
    if (column > cells.size()) {
      throw InputError(name, number,
                       absl::StrCat(cells.size(), " columns, expected at least ", column));
    }
    const std::string& label = cells[column == 0 ? cells.size() - 1 : column - 1];
    if (label.empty()) throw InputError(name, number, "the label is empty");
    if (label != ignored) ++counts[label];
  }
  if (counts.empty()) throw InputError(name, 0, "has no labels");
  const auto most = static_cast<std::size_t>(absl::GetFlag(FLAGS_most_classes));
  if (counts.size() > most) {
    throw InputError(
        name, 0,
        absl::StrCat("has ", counts.size(), " different labels, such as ", counts.begin()->first,
                     ", expected at most ", most, "; see --column and --most_classes"));
  }
  std::vector<std::pair<std::string, double>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return comes_before(a.first, b.first); });
  Classes classes;
  classes.doubts = doubts_of(counts);
  for (auto& [label, count] : sorted) {
    classes.names.push_back(label);
    classes.counts.push_back(count);
  }
  return classes;
}

// "power:0.5" as a name and its number.
struct Choice {
  std::string name;
  double number = 0;
};

Choice read_choice(std::string_view flag, const std::string& text,
                   std::span<const std::string> plain, std::span<const std::string> with_number) {
  const std::size_t colon = text.find(':');
  Choice choice{text.substr(0, colon)};
  const auto is_one_of = [&](std::span<const std::string> names) {
    return std::find(names.begin(), names.end(), choice.name) != names.end();
  };
  if (colon == std::string::npos && is_one_of(plain)) return choice;
  if (colon != std::string::npos && is_one_of(with_number) &&
      absl::SimpleAtod(text.substr(colon + 1), &choice.number)) {
    return choice;
  }
  std::string expected;
  for (const std::string& name : plain) absl::StrAppend(&expected, name, ", ");
  for (const std::string& name : with_number) absl::StrAppend(&expected, name, ":NUMBER, ");
  expected.resize(expected.size() - 2);
  throw InputError(absl::StrCat("--", std::string(flag), "=", text, ": expected ", expected));
}

std::vector<double> mix_of(const ClassCounts& counts) {
  const std::vector<std::string> plain = {"natural", "uniform"};
  const std::vector<std::string> with_number = {"temperature", "repeat", "progressive"};
  const Choice choice = read_choice("mix", absl::GetFlag(FLAGS_mix), plain, with_number);
  if (choice.name == "natural") return {};
  if (choice.name == "uniform") return mix(counts, UniformMix{});
  if (choice.name == "temperature") return mix(counts, TemperatureMix{choice.number});
  if (choice.name == "repeat") return mix(counts, RepeatFactorMix{choice.number});
  return mix(counts, ProgressiveMix{choice.number});
}

std::vector<double> weights_of(const ClassCounts& counts) {
  const std::vector<std::string> plain = {"none", "balanced"};
  const std::vector<std::string> with_number = {"power", "effective", "log"};
  const Choice choice = read_choice("weights", absl::GetFlag(FLAGS_weights), plain, with_number);
  WeightOptions options;
  if (const double most = absl::GetFlag(FLAGS_max_weight); most != 0) options.max = most;
  if (choice.name == "none") return {};
  if (choice.name == "balanced") return class_weights(counts, BalancedWeights{}, options);
  if (choice.name == "power") return class_weights(counts, PowerWeights{choice.number}, options);
  if (choice.name == "effective") {
    return class_weights(counts, EffectiveNumberWeights{choice.number}, options);
  }
  return class_weights(counts, LogarithmicWeights{choice.number}, options);
}

// The value of a flag that takes the names of an enumeration.
template <class E>
E read_name(std::string_view flag, const std::string& text) {
  const auto names = names_of(E());
  require_choice(flag, text, std::vector<std::string>(names.begin(), names.end()));
  return *from_name<E>(text);
}

Plan plan_of_flags(const std::vector<double>& class_counts) {
  const ClassCounts counts(class_counts);
  Plan plan;
  plan.counts = class_counts;
  plan.mix = mix_of(counts);
  plan.weights = weights_of(counts);
  if (const double tau = absl::GetFlag(FLAGS_logit_adjustment); tau != 0) {
    plan.logit_terms = logit_terms(counts, LogitAdjustment{tau});
  }
  plan.mean = read_name<MeanKind>("mean", absl::GetFlag(FLAGS_mean));
  plan.sampling = read_name<sampling::Mode>("sampling", absl::GetFlag(FLAGS_sampling));
  const int batch = absl::GetFlag(FLAGS_batch);
  plan.batch_size = batch > 0 ? static_cast<std::uint64_t>(batch) : 64;
  return plan;
}

// A plan and, as comments, what its classes are called.
constexpr const char* kNameComment = "# class ";

std::string to_text(const Plan& plan, const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t c = 0; c < names.size(); ++c) {
    absl::StrAppend(&text, kNameComment, c, ": ", names[c], "\n");
  }
  return text + to_text(plan);
}

// The names in a plan's text; its numbers where it has not one for each.
std::vector<std::string> names_in(const std::string& text, std::size_t classes) {
  std::vector<std::string> names;
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (const std::string& line : lines) {
    const std::string start = absl::StrCat(kNameComment, names.size(), ": ");
    if (line.starts_with(start)) names.push_back(line.substr(start.size()));
  }
  if (names.size() == classes) return names;
  names.clear();
  for (std::size_t c = 0; c < classes; ++c) names.push_back(absl::StrCat(c));
  return names;
}

nlohmann::json to_json(const Ledger& entries, const DryRun& forecast,
                       const std::vector<std::string>& names,
                       const std::vector<std::string>& doubts) {
  nlohmann::json classes = nlohmann::json::array();
  for (std::size_t c = 0; c < names.size(); ++c) {
    const ClassForecast& of_class = forecast.classes[c];
    classes.push_back({{"name", names[c]},
                       {"natural", entries.natural[c]},
                       {"drawn", entries.drawn[c]},
                       {"weight", entries.weights[c]},
                       {"effective", entries.effective[c]},
                       {"importance", entries.importance[c]},
                       {"exposures", of_class.exposures},
                       {"distinct", of_class.distinct},
                       {"repeats", of_class.repeats},
                       {"per_batch", of_class.per_batch},
                       {"missing", of_class.missing}});
  }
  nlohmann::json warnings = nlohmann::json::array();
  for (const std::string& doubt : doubts) warnings.push_back({{"text", doubt}});
  for (const PlanWarning& warning : forecast.warnings) {
    nlohmann::json about = {
        {"text", warning.text}, {"value", warning.value}, {"bound", warning.bound}};
    if (warning.class_index < names.size()) about["class"] = names[warning.class_index];
    warnings.push_back(std::move(about));
  }
  nlohmann::json result = {{"classes", std::move(classes)},
                           {"strength",
                            {{"sampler", entries.strength.sampler},
                             {"weights", entries.strength.weights},
                             {"logit_terms", entries.strength.logit_terms}}},
                           {"effective_sample_size", entries.effective_sample_size},
                           {"variance_inflation", entries.variance_inflation},
                           {"approximate", entries.approximate},
                           {"steps", forecast.steps},
                           {"warnings", std::move(warnings)}};
  const auto never = [](double share) { return share == 0; };
  if (!entries.no_offset.empty()) {
    result["no_offset"] = entries.no_offset;
  } else if (std::any_of(entries.natural.begin(), entries.natural.end(), never) ||
             std::any_of(entries.effective.begin(), entries.effective.end(), never)) {
    result["no_offset"] = "a class without rows, or that is never seen, has no offset";
  } else {
    result["offset"] = entries.offset();
  }
  return result;
}

void draw_plan(const Ledger& entries, const std::vector<std::string>& names,
               const std::string& file) {
  DotChart chart{
      .title = "What training sees of each class",
      .value_axis = "fraction",
      .categories = names,
      .series = {{"of the rows", {}}, {"of the draws", {}}, {"of the loss, weighted", {}}},
      .logarithmic = true};
  std::string left_out;
  for (std::size_t c = 0; c < entries.classes(); ++c) {
    // What is never seen has no place on a logarithmic axis.
    if (!(entries.natural[c] > 0 && entries.drawn[c] > 0 && entries.effective[c] > 0)) {
      absl::StrAppend(&left_out, left_out.empty() ? "" : ", ", names[c]);
    }
    chart.series[0].values.push_back(entries.natural[c]);
    chart.series[1].values.push_back(entries.drawn[c]);
    chart.series[2].values.push_back(entries.effective[c]);
  }
  if (draw(dots(chart), user_path(file))) {
    std::cout << "Picture: " << file << std::endl;
    if (!left_out.empty()) std::cout << "It lacks what is never seen: " << left_out << std::endl;
  } else {
    std::cout << "No picture: gnuplot is missing or failed" << std::endl;
  }
}

void run() {
  require_between("column", absl::GetFlag(FLAGS_column), 0, 1000);
  require_between("batch", absl::GetFlag(FLAGS_batch), 0, 1 << 30);
  require_between("epochs", absl::GetFlag(FLAGS_epochs), 1, 1000000);
  require_between("most_classes", absl::GetFlag(FLAGS_most_classes), 1, 1 << 20);
  if (const double most = absl::GetFlag(FLAGS_max_weight); !std::isfinite(most) || most < 0) {
    throw InputError(absl::StrCat("--max_weight=", most, ": expected a number >= 0"));
  }
  const std::string file = absl::GetFlag(FLAGS_labels);
  const std::string plan_file = absl::GetFlag(FLAGS_plan);
  if (file.empty() && plan_file.empty()) {
    throw InputError("--labels: a file with labels is needed, or --plan; see --help");
  }
  Classes classes;
  if (!file.empty()) {
    classes = count_file(file, static_cast<std::size_t>(absl::GetFlag(FLAGS_column)),
                         absl::GetFlag(FLAGS_ignore));
  }
  const auto batch = static_cast<std::uint64_t>(absl::GetFlag(FLAGS_batch));
  Plan plan;
  if (plan_file.empty()) {
    plan = plan_of_flags(classes.counts);
  } else {
    const std::string text = read_file(user_path(plan_file));
    try {
      plan = parse_plan(text);
    } catch (const std::invalid_argument& error) {
      throw InputError(plan_file, 0, error.what());
    }
    if (!file.empty() && plan.counts != classes.counts) {
      throw InputError(plan_file, 0, "its counts are not those of " + file);
    }
    if (batch > 0 && plan.batch_size > 0 && batch != plan.batch_size) {
      throw InputError(absl::StrCat("--batch=", batch, ": ", plan_file, " says ", plan.batch_size));
    }
    if (file.empty()) classes.names = names_in(text, plan.classes());
  }
  Plan sized = plan;  // what is saved stays as it was read
  if (plan.batch_size == 0) sized.batch_size = batch > 0 ? batch : 64;
  const Ledger entries = ledger(sized);
  DryRunOptions options;
  options.epochs = static_cast<std::uint64_t>(absl::GetFlag(FLAGS_epochs));
  const DryRun forecast = dry_run(sized, options);
  std::cout << report(entries, classes.names) << "\n" << report(forecast, classes.names);
  for (const std::string& doubt : classes.doubts) std::cout << "warning: " << doubt << std::endl;
  if (const std::string save = absl::GetFlag(FLAGS_save); !save.empty()) {
    write_file(user_path(save), to_text(plan, classes.names));
    std::cout << "Plan: " << save << std::endl;
  }
  if (const std::string json = absl::GetFlag(FLAGS_json); !json.empty()) {
    write_file(user_path(json),
               to_json(entries, forecast, classes.names, classes.doubts).dump(2) + "\n");
    std::cout << "JSON: " << json << std::endl;
  }
  if (const std::string picture = absl::GetFlag(FLAGS_picture); !picture.empty()) {
    draw_plan(entries, classes.names, picture);
  }
}

}  // namespace
}  // namespace equipoise::demos

int main(int argc, char** argv) {
  using equipoise::demos::kInputErrorExitCode;
  try {
    const std::span<char* const> arguments(argv, static_cast<std::size_t>(argc));
    if (!equipoise::demos::parse_flags(arguments, equipoise::demos::kUsage)) return 0;
    equipoise::demos::run();
    return 0;
  } catch (const equipoise::demos::InputError& error) {
    std::cerr << error.what() << std::endl;
    return kInputErrorExitCode;
  } catch (const std::invalid_argument& error) {  // a number that the toolkit refuses
    std::cerr << error.what() << std::endl;
    return kInputErrorExitCode;
  } catch (const std::exception& error) {
    std::cerr << error.what() << std::endl;
    return 1;
  }
}
