# A training that takes SECONDS, and is as accurate as its spec's name and seed have it:
# sh stand_in.sh SPEC OUT SEED [SECONDS]
echo "$$" >>"$(dirname "$2")/starts"
sleep "${4:-0}"
number=$( (grep '^name:' "$1"; echo "$3") | cksum | cut -c1-3)
echo "{\"accuracy\": 0.9$number}" >"$2"
