"""Forms of the wallet."""

from django import forms

from wallet.models import TopUp


class TopUpForm(forms.ModelForm):
    """How much to top up."""

    prefix = "topup"

    class Meta:
        model = TopUp
        fields = ["amount"]
        widgets = {"amount": forms.NumberInput(attrs={"min": "1", "max": "10000", "step": "0.01"})}
