import pytest

pytest.register_assert_rewrite(
    "tests.e2e.stand",
    "tests.e2e.contract_campaigns",
    "tests.e2e.contract_crashes",
    "tests.e2e.contract_streams",
    "tests.e2e.contract_vendor",
)
